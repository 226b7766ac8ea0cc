//! Every bound on what a run can use, with its unit and the reason for its size.

use std::time::Duration;

/// Wall time of a run. The slowest things that bundles install, gateways of a cloud, take an hour or two;
/// whatever takes longer than this hangs.
pub const RUN_MAX: Duration = Duration::from_secs(4 * 3600);
/// Wall time of a native driver's answer to what it handles: it prints one line.
pub const PROBE_MAX: Duration = Duration::from_secs(10);
/// Bytes of that line.
pub const PROBE_BYTES_MAX: usize = 4 << 10;
/// Wall time of making a container, pulling its image of gigabytes included.
pub const CREATE_MAX: Duration = Duration::from_secs(3600);
/// Wall time of any other step with a container: copying some megabytes, asking, removing.
pub const STEP_MAX: Duration = Duration::from_secs(300);
/// Bytes that docker may answer when it is asked something.
pub const ANSWER_BYTES_MAX: usize = 4 << 10;
/// How long a native program may clean up after it was told to stop. Docker gives containers as much.
pub const GRACE: Duration = Duration::from_secs(10);
/// How long is waited for the rest of what a program wrote after it ended: only a process that left its
/// group can still hold the pipe.
pub const DRAIN_MAX: Duration = Duration::from_secs(5);
/// Bytes of linear memory of an entry point in the sandbox. Interpreters with what they install take
/// some hundred megabytes.
pub const MEMORY_BYTES_MAX: usize = 1 << 30;
/// Bytes of one output: what a store takes as one value.
pub const OUTPUT_BYTES_MAX: usize = coffer_host::limits::ANSWER_BYTES_MAX;
/// Bytes of all outputs of one run: what the files in the sandbox may have.
pub const OUTPUTS_BYTES_MAX: usize = 64 << 20;
/// Bytes of one variable that a native program is given, name included: Linux takes 128 KiB.
pub const VARIABLE_BYTES_MAX: usize = (128 << 10) - 2;
/// Bytes of a path in an entry point's world.
pub const PATH_BYTES_MAX: usize = 1024;
/// Bytes of the name of an external driver.
pub const DRIVER_NAME_BYTES_MAX: usize = 64;
/// Bytes of a run's id; a ULID has 26.
pub const RUN_ID_BYTES_MAX: usize = 64;
/// Bytes of an image's reference with its digest: 255 of a name, 128 of a tag, and a digest.
pub const IMAGE_REFERENCE_BYTES_MAX: usize = 512;
