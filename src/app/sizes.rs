//! How much is taken on at a time: what is configured, and where it leaves that open, as
//! much as this process may use.

use tracing::info;

use crate::config::{BackendName, Config};
use crate::memory_limit;

/// The most that a pass takes where there is memory.
const PASS_BYTES: usize = 256 << 20;

/// The least that a pass of a small model needs.
const LEAST_PASS_BYTES: usize = 16 << 20;

/// Tokens × rows × layers in flight where there is memory.
const QUEUED_WORK: usize = 6 << 20;

/// Memory from which on that many are let in.
const ENOUGH: u64 = 1 << 30;

/// Passes may take one part in so many of the memory; weights, answers and the rest of
/// the process need the others.
const SHARE_OF_PASSES: u64 = 4;

/// How much is taken on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sizes {
    /// Passes at a time.
    pub workers: usize,
    /// Of one pass.
    pub pass_bytes: usize,
    pub queued_work: usize,
    /// For the weights of all models; none is no limit.
    pub model_bytes: Option<usize>,
    /// What was found.
    cores: usize,
    memory: Option<u64>,
}

impl Sizes {
    pub fn of(config: &Config) -> Self {
        // Heeds affinity and the quota of the control group.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::on(cores, memory_limit::bytes(), config)
    }

    fn on(cores: usize, memory: Option<u64>, config: &Config) -> Self {
        let engine = &config.engine;
        let for_passes = memory.map_or(usize::MAX, |memory| whole(memory / SHARE_OF_PASSES));
        let workers = match engine.threads {
            0 => cores.min(for_passes / LEAST_PASS_BYTES).max(1),
            threads => threads,
        };
        let pass_bytes = match engine.pass_mebibytes {
            0 => (for_passes / workers).clamp(LEAST_PASS_BYTES, PASS_BYTES),
            mebibytes => mebibytes << 20,
        };
        let queued_work = match engine.queued_work {
            0 => memory.map_or(QUEUED_WORK, scaled),
            work => work,
        };
        let model_bytes = match (config.limits.model_mebibytes, engine.backend) {
            // What passes leave.
            (0, BackendName::Cpu) => {
                memory.map(|memory| whole(memory).saturating_sub(workers * pass_bytes))
            }
            // Memory of its own.
            (0, _) => None,
            (mebibytes, _) => Some(mebibytes << 20),
        };
        Self { workers, pass_bytes, queued_work, model_bytes, cores, memory }
    }

    /// Says what was found, and what follows from it.
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

/// [`QUEUED_WORK`], or as much less of it as there is memory.
fn scaled(memory: u64) -> usize {
    whole(QUEUED_WORK as u64 * memory.min(ENOUGH) / ENOUGH).max(1)
}

fn whole(bytes: u64) -> usize {
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
    fn a_large_machine_has_the_most_and_a_small_one_what_fits() {
        let config = Config::default();
        for (cores, memory, workers, pass, work) in [
            (2, 24_000, 2, 256, 6 * MIB),
            (64, 256_000, 64, 256, 6 * MIB),
            (2, 1_024, 2, 128, 6 * MIB),
            (4, 512, 4, 32, 3 * MIB),
            // More cores than passes that fit.
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
        assert_eq!((unknown.workers, unknown.pass_bytes), (3, PASS_BYTES));
        assert_eq!((unknown.queued_work, unknown.model_bytes), (QUEUED_WORK, None));
    }

    #[test]
    fn what_is_configured_holds() {
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
