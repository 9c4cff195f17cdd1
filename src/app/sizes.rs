//! Sizes that limit concurrent work: as configured, else as the CPUs and memory of this process
//! allow.

use tracing::info;

use crate::config::Config;
use crate::engine::PASS_TOKENS;
use crate::memory_limit;
use crate::model::Placement;

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

/// Tokens of a pass on a GPU, which more do not make better use of.
const DEVICE_PASS_TOKENS: usize = 16 << 10;

/// Limits of concurrent work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sizes {
    /// Number of concurrent passes, and of those of small requests beside them.
    pub workers: usize,
    pub express: usize,
    /// Tokens and memory of one pass.
    pub pass_tokens: usize,
    pub pass_bytes: usize,
    pub queued_work: usize,
    /// Limit for the weights of all models; `None` if unlimited.
    pub model_bytes: Option<usize>,
    /// CPUs and memory available to the process.
    cores: usize,
    memory: Option<u64>,
    /// Memory that is free on the device, for passes that do not run on the CPU.
    device_memory: Option<usize>,
}

/// What the machine has.
#[derive(Debug, Clone, Copy)]
struct Machine {
    cores: usize,
    memory: Option<u64>,
    /// Whether passes run on a device of their own, and the memory that is free there.
    is_device: bool,
    device_memory: Option<usize>,
}

impl Sizes {
    pub fn of(config: &Config, placement: &Placement) -> Self {
        let machine = Machine {
            // Respects affinity and the cgroup's CPU quota.
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory: memory_limit::bytes(),
            is_device: placement.is_device(),
            device_memory: placement.memory().map(|memory| memory.free),
        };
        Self::on(machine, config)
    }

    fn on(machine: Machine, config: &Config) -> Self {
        let Machine { cores, memory, is_device, device_memory } = machine;
        let engine = &config.engine;
        let for_passes = memory.map_or(usize::MAX, |memory| to_usize(memory / PASS_MEMORY_DIVISOR));
        let workers = match engine.threads {
            // Passes on a device run one after the other.
            _ if is_device => 1,
            0 => cores.min(for_passes / MIN_PASS_BYTES).max(1),
            threads => threads,
        };
        let pass_tokens = match engine.batch_tokens {
            0 if device_memory.is_some() => DEVICE_PASS_TOKENS,
            0 => PASS_TOKENS,
            tokens => tokens,
        };
        let pass_bytes = match (engine.pass_mebibytes, device_memory) {
            (0, Some(free)) => free / 2,
            (0, None) => (for_passes / workers).clamp(MIN_PASS_BYTES, MAX_PASS_BYTES),
            (mebibytes, _) => mebibytes << 20,
        };
        let queued_work = match engine.queued_work {
            // It is done sooner.
            0 if device_memory.is_some() => 16 * memory.map_or(QUEUED_WORK, scaled),
            0 => memory.map_or(QUEUED_WORK, scaled),
            work => work,
        };
        // What passes do not use.
        let model_bytes = match (config.limits.model_mebibytes, device_memory) {
            (0, Some(free)) => Some(free.saturating_sub(pass_bytes)),
            (0, None) => memory.map(|memory| to_usize(memory).saturating_sub(workers * pass_bytes)),
            (mebibytes, _) => Some(mebibytes << 20),
        };
        Self {
            workers,
            express: if is_device { 0 } else { workers },
            pass_tokens,
            pass_bytes,
            queued_work,
            model_bytes,
            cores,
            memory,
            device_memory,
        }
    }

    /// Logs the available resources and the resulting sizes.
    pub fn log(&self) {
        info!(
            memory_mebibytes = self.memory.map(|bytes| bytes >> 20),
            cores = self.cores,
            device_mebibytes = self.device_memory.map(|bytes| bytes >> 20),
            workers = self.workers,
            pass_tokens = self.pass_tokens,
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

    fn machine(cores: usize, mebibytes: usize) -> Machine {
        let memory = Some((mebibytes * MIB) as u64);
        Machine { cores, memory, is_device: false, device_memory: None }
    }

    fn on(cores: usize, mebibytes: usize, config: &Config) -> Sizes {
        Sizes::on(machine(cores, mebibytes), config)
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
        let unknown = Sizes::on(Machine { memory: None, ..machine(3, 0) }, &config);
        assert_eq!((unknown.workers, unknown.pass_bytes), (3, MAX_PASS_BYTES));
        assert_eq!((unknown.queued_work, unknown.model_bytes), (QUEUED_WORK, None));
    }

    #[test]
    fn a_device_runs_one_large_pass_at_a_time_in_its_own_memory() {
        let device = Machine { is_device: true, ..machine(16, 2_000) };
        let config = Config::default();
        let gpu = Sizes::on(Machine { device_memory: Some(80_000 * MIB), ..device }, &config);
        assert_eq!((gpu.workers, gpu.express, gpu.pass_tokens), (1, 0, 16_384));
        assert_eq!((gpu.pass_bytes, gpu.model_bytes), (40_000 * MIB, Some(40_000 * MIB)));
        assert_eq!(gpu.queued_work, 96 * MIB);
        // The same code on the CPU shares the memory of the process.
        let portable = Sizes::on(device, &config);
        assert_eq!((portable.workers, portable.pass_bytes), (1, 256 * MIB));
        assert_eq!(portable.pass_tokens, 256);
        assert_eq!(portable.model_bytes, Some(1_744 * MIB));
        assert_eq!(on(16, 2_000, &config).express, 16);
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
