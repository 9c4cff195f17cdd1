//! Sizes that limit concurrent work: as configured, else as the CPUs and memory of this process
//! allow.

use tracing::info;

use crate::config::{BackendName, Config};
use crate::memory_limit;

/// Memory of a pass if there is enough.
const MAX_PASS_BYTES: usize = 256 << 20;

/// Minimum memory of a pass of a small model.
const MIN_PASS_BYTES: usize = 16 << 20;

/// Tokens × rows × layers in flight if there is enough memory.
const QUEUED_WORK: usize = 6 << 20;

/// Memory from which on [`QUEUED_WORK`] is not reduced.
const AMPLE_MEMORY: u64 = 1 << 30;

/// Passes may use this fraction (1 / n) of the memory. The rest is for weights, responses and the
/// process itself.
const PASS_MEMORY_DIVISOR: u64 = 4;

/// Limits of concurrent work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sizes {
    /// Number of concurrent passes.
    pub workers: usize,
    /// Memory of one pass.
    pub pass_bytes: usize,
    pub queued_work: usize,
    /// Limit for the weights of all models; `None` if unlimited.
    pub model_bytes: Option<usize>,
    /// CPUs and memory available to the process.
    cores: usize,
    memory: Option<u64>,
}

impl Sizes {
    pub fn of(config: &Config) -> Self {
        // Respects affinity and the cgroup's CPU quota.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::on(cores, memory_limit::bytes(), config)
    }

    fn on(cores: usize, memory: Option<u64>, config: &Config) -> Self {
        let engine = &config.engine;
        let for_passes = memory.map_or(usize::MAX, |memory| to_usize(memory / PASS_MEMORY_DIVISOR));
        let workers = match engine.threads {
            0 => cores.min(for_passes / MIN_PASS_BYTES).max(1),
            threads => threads,
        };
        let pass_bytes = match engine.pass_mebibytes {
            0 => (for_passes / workers).clamp(MIN_PASS_BYTES, MAX_PASS_BYTES),
            mebibytes => mebibytes << 20,
        };
        let queued_work = match engine.queued_work {
            0 => memory.map_or(QUEUED_WORK, scaled),
            work => work,
        };
        let model_bytes = match (config.limits.model_mebibytes, engine.backend) {
            // What passes do not use.
            (0, BackendName::Cpu) => {
                memory.map(|memory| to_usize(memory).saturating_sub(workers * pass_bytes))
            }
            // A GPU has its own memory.
            (0, _) => None,
            (mebibytes, _) => Some(mebibytes << 20),
        };
        Self { workers, pass_bytes, queued_work, model_bytes, cores, memory }
    }

    /// Logs the available resources and the resulting sizes.
    pub fn log(&self) {
        info!(
            memory_mebibytes = self.memory.map(|bytes| bytes >> 20),
            cores = self.cores,
            workers = self.workers,
            pass_mebibytes = self.pass_bytes >> 20,
            queued_work = self.queued_work,
            model_mebibytes = self.model_bytes.map(|bytes| bytes >> 20),
            "resources"
        );
    }
}

/// [`QUEUED_WORK`], reduced in proportion if there is little memory.
fn scaled(memory: u64) -> usize {
    to_usize(QUEUED_WORK as u64 * memory.min(AMPLE_MEMORY) / AMPLE_MEMORY).max(1)
}

fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    fn on(cores: usize, mebibytes: usize, config: &Config) -> Sizes {
        Sizes::on(cores, Some((mebibytes * MIB) as u64), config)
    }

    #[test]
    fn sizes_follow_cores_and_memory() {
        let config = Config::default();
        for (cores, memory, workers, pass, work) in [
            (2, 24_000, 2, 256, 6 * MIB),
            (64, 256_000, 64, 256, 6 * MIB),
            (2, 1_024, 2, 128, 6 * MIB),
            (4, 512, 4, 32, 3 * MIB),
            // There are more cores than passes that fit into memory.
            (64, 512, 8, 16, 3 * MIB),
            (8, 32, 1, 16, 6 * MIB / 32),
        ] {
            let sizes = on(cores, memory, &config);
            let found = (sizes.workers, sizes.pass_bytes / MIB, sizes.queued_work);
            assert_eq!(found, (workers, pass, work), "{cores} cores, {memory} MiB");
            let models = sizes.model_bytes.unwrap();
            assert!(models + workers * pass * MIB <= memory * MIB, "{models}");
        }
        let unknown = Sizes::on(3, None, &config);
        assert_eq!((unknown.workers, unknown.pass_bytes), (3, MAX_PASS_BYTES));
        assert_eq!((unknown.queued_work, unknown.model_bytes), (QUEUED_WORK, None));
    }

    #[test]
    fn configured_sizes_take_precedence() {
        let mut config = Config::default();
        config.engine.threads = 12;
        config.engine.pass_mebibytes = 300;
        config.engine.queued_work = 77;
        config.limits.model_mebibytes = 5;
        let sizes = on(1, 64, &config);
        assert_eq!((sizes.workers, sizes.pass_bytes), (12, 300 * MIB));
        assert_eq!((sizes.queued_work, sizes.model_bytes), (77, Some(5 * MIB)));
    }
}
