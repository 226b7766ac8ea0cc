//! Every bound on what a plugin can use, with its unit and the reason for its size.
//!
//! [`Limits`] are those that an operator can set for a store. The constants hold for every store.

use serde::Deserialize;
use std::time::Duration;

/// Bounds that an operator can set for one store, in the configuration file below `limits:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "limits by their names")]
pub struct Limits {
    /// Bytes of linear memory of one instance, all its memories together, from 64 KiB to
    /// [`MEMORY_BYTES_MAX`]. 64 MiB is what interpreters compiled to wasm (Python, JavaScript) start
    /// with; a plugin in Rust uses 200 KiB.
    #[serde(deserialize_with = "bytes")]
    pub memory: usize,
    /// Wall time of one call, everything it waits for included, from 1 ms to [`CALL_MAX`].
    #[serde(deserialize_with = "duration")]
    pub call: Duration,
    /// Instances at the same time, and requests of one `send-all` at the same time, from 1 to
    /// [`CONCURRENCY_MAX`].
    pub concurrency: usize,
    /// Bytes of one value, resolved or put, at most [`ANSWER_BYTES_MAX`]. 1 MiB is what Kubernetes
    /// takes; Azure takes 25 kB and AWS 64 KiB.
    #[serde(deserialize_with = "bytes")]
    pub answer: usize,
    /// HTTP requests in one call.
    pub requests: usize,
    /// Bytes of the body of one HTTP request or response, at most [`BODY_BYTES_MAX`].
    #[serde(deserialize_with = "bytes")]
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 * MIB,
            call: Duration::from_secs(5),
            concurrency: 8,
            answer: MIB,
            requests: 64,
            body: 8 * MIB,
        }
    }
}

impl Limits {
    /// Checks that every limit is within its range.
    ///
    /// # Errors
    ///
    /// A sentence that names the limit and its range.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Self { memory, call, concurrency, answer, requests, body } = *self;
        let within = |ok: bool, name: &str, range: &str| {
            if ok { Ok(()) } else { Err(format!("the limit `{name}` must be {range}")) }
        };
        within((64 * KIB..=MEMORY_BYTES_MAX).contains(&memory), "memory", "from 64KiB to 256MiB")?;
        let least = Duration::from_millis(1);
        within((least..=CALL_MAX).contains(&call), "call", "from 1ms to 10m")?;
        within((1..=CONCURRENCY_MAX).contains(&concurrency), "concurrency", "from 1 to 64")?;
        within((1..=ANSWER_BYTES_MAX).contains(&answer), "answer", "from 1B to 16MiB")?;
        within(requests <= REQUESTS_MAX, "requests", "at most 10000")?;
        within((KIB..=BODY_BYTES_MAX).contains(&body), "body", "from 1KiB to 32MiB")
    }

    /// Bytes of the bodies of answers that the host holds at the same time for one instance, which has to
    /// take them into its memory.
    pub(crate) fn held_answers(&self) -> usize {
        (self.memory / 2).max(self.body)
    }
}

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

// What an operator can raise a limit to.

/// Bytes of linear memory: a quarter of a small machine's, and what a pool slot reserves address space
/// for.
pub const MEMORY_BYTES_MAX: usize = 256 * MIB;
/// Wall time of a call: what a person waits for at most.
pub const CALL_MAX: Duration = Duration::from_secs(600);
/// Instances of one store at the same time: more than backends take without throttling.
pub const CONCURRENCY_MAX: usize = 64;
/// Bytes of one value: a file that is no secret any more.
pub const ANSWER_BYTES_MAX: usize = 16 * MIB;
/// HTTP requests in one call.
pub const REQUESTS_MAX: usize = 10_000;
/// Bytes of one HTTP body: a few fit into one instance's memory.
pub const BODY_BYTES_MAX: usize = 32 * MIB;

// Loading.

/// Bytes of a component. A Python plugin with its interpreter has 18 MB; Rust ones have 50 KB.
pub const COMPONENT_BYTES_MAX: usize = 32 * MIB;
/// Imports and exports of a component, each. A Python plugin has 25 imports.
pub const INTERFACES_MAX: usize = 256;
/// Bytes of the name of an import or export, for messages.
pub const INTERFACE_NAME_BYTES_MAX: usize = 256;

// Compiling. Untrusted code is compiled before it runs, and the compiler cannot be stopped. The bounds are
// twice what the largest plugins have that are made today, Python's with its interpreter (18 MB) and
// JavaScript's (12 MB), or rounded up from there. What takes a time that is not in proportion to its size
// was measured, by processor time on one core of 2.5 GHz.

/// Modules of a component, nested ones included. A Python plugin has 14.
pub const MODULES_MAX: usize = 64;
/// Components in a component, itself and nested ones included. One for each interface that it exports, with
/// the tools of today.
pub const COMPONENTS_MAX: usize = 64;
/// Instances of nested components. 700 bytes of components that instantiate each other four times, nine
/// levels deep, unfold into 260,000 instances, and into four times as many with each level.
pub const COMPONENT_INSTANCES_MAX: usize = 256;
/// Types, those of modules and of components. A Python plugin has 1,300; 20,000 of many parameters take 5 s.
pub const TYPES_MAX: usize = 8_192;
/// Imports, exports, aliases, globals and segments, all together. A Python plugin has 11,000.
pub const ITEMS_MAX: usize = 32_768;
/// Segments of data and of elements. A JavaScript plugin has 6,700; 20,000 far from one another take 8 s.
pub const SEGMENTS_MAX: usize = 8_192;
/// Functions of all modules together. A Python plugin has 13,400; 100,000 empty ones take 9 s.
pub const FUNCTIONS_MAX: usize = 32_768;
/// Bytes of code of all modules together. A JavaScript plugin has 9.2 MB.
pub const CODE_BYTES_MAX: usize = 16 * MIB;
/// Bytes of code in one function. A Python plugin has one of 427 KB.
pub const FUNCTION_BYTES_MAX: usize = 512 * KIB;
/// Locals of one function, parameters included. A Python plugin has one of 271.
pub const LOCALS_MAX: usize = 1_024;
/// Parameters of one function or block. A Python plugin has one of 18. 1,000 calls of a function with 100
/// parameters and results take 1.5 s, and as many blocks 3 GB.
pub const PARAMETERS_MAX: usize = 32;
/// Results of one function or block. Compilers use one.
pub const RESULTS_MAX: usize = 4;
/// Operands that wait to be used, in one function. 10,000 take 4 s, and twice as many four times as long.
pub const OPERANDS_MAX: usize = 1_024;
/// Branches of one function: blocks, conditional branches, indirect calls and accesses of tables. A Python
/// plugin has one of 7,800; 40,000 take 2 s, and twice as many four times as long.
pub const BRANCHES_MAX: usize = 16_384;
/// Targets of all branch tables of one function. A Python plugin has one of 15,800.
pub const BRANCH_TARGETS_MAX: usize = 32_768;
/// Blocks in one another. A Python plugin has 781.
pub const BLOCKS_NESTED_MAX: usize = 1_536;
/// Loops in one another. A JavaScript plugin has 6; 1,024 that read 500 locals take minutes.
pub const LOOPS_NESTED_MAX: usize = 32;
/// How entangled all functions are: for each, its branches, squared, times its locals. It is what the
/// compiler's work grows with in the worst shape that was found: 4,000 branches, each of which sets another
/// of 250 locals, are 4e9 and take 11 s. A JavaScript plugin has 9e9, which takes less, since its branches
/// set few.
pub const TANGLE_MAX: u64 = 1 << 35;

// One instance.

/// Core instances in a component. A Python plugin has 11.
pub const CORE_INSTANCES_MAX: u32 = 64;
/// Linear memories in a component.
pub const MEMORIES_MAX: u32 = 4;
/// Tables in a component. A Python plugin has one for each of its modules.
pub const TABLES_MAX: u32 = 64;
/// Elements of one table; a Python plugin has 7,000 functions.
pub const TABLE_ELEMENTS_MAX: usize = 32_768;
/// Bytes of native stack for guest code: the engine's own default. Deeper recursion traps.
pub const STACK_BYTES_MAX: usize = 512 * KIB;
/// Bytes of the whole native stack that guest and host code of one call run on.
pub const ASYNC_STACK_BYTES: usize = 2 * MIB;
/// How often a running guest is interrupted to see whether its time is up, and to let others run. A
/// loop dies at most this much after its deadline.
pub const TICK: Duration = Duration::from_millis(2);
/// Bytes that may cross from a guest to the host at once, beyond the values or the bodies that it may
/// send: names, headers, texts, and the host's own bookkeeping for lists.
pub const CROSSING_BYTES_MAX: usize = 4 * MIB;
/// Bytes that may cross from a guest to the host at once, whatever it is.
pub const CROSSING_TOTAL_BYTES_MAX: usize = 64 * MIB;
/// References that one instance is given, unless its plugin takes them all at once. So few that they
/// are resolved one after the other within the time of a call.
pub const CHUNK_REFERENCES_MAX: usize = 16;
/// Handles that a guest may hold: open files and directories, streams, requests, responses.
pub const HANDLES_MAX: usize = 1_024;
/// Random bytes that a guest gets at once; a key has 64.
pub const RANDOM_BYTES_MAX: u64 = 64 * 1024;
/// How fine a guest's clocks are. Timeouts, expiry dates and waits of the contract are in milliseconds and
/// need no more; to tell what is in a processor's cache takes a thousandth of it, or many thousand tries.
pub const CLOCK_RESOLUTION: Duration = Duration::from_millis(1);

// An entry point.

/// Bytes that an entry point writes to its output at once: a few lines.
pub const OUTPUT_WRITE_BYTES_MAX: usize = 64 * KIB;

// Files of a plugin, in one call.

/// Files and directories below granted ones that are open at the same time, by a handle or by a stream. A
/// process has 1,024 descriptors by default, and a host runs several calls.
pub const OPEN_FILES_MAX: usize = 64;
/// Files, directories and links that are made, or opened so that they are made if they are not there.
/// Keeping a secret durably takes three.
pub const FILES_CREATED_MAX: usize = 256;
/// Bytes by which files are written or made longer; what a file system makes up before what is written
/// beyond a file's end counts. Several times the largest value.
pub const FILE_BYTES_WRITTEN_MAX: u64 = 64 * 1024 * 1024;
/// Entries of directories that are read; each is in the host's memory until the guest has taken it. A store
/// of so many secrets on one disk wants another plugin.
pub const DIRECTORY_ENTRIES_MAX: usize = 100_000;

// What a plugin answers.

/// References in one call of an embedder; more are asked for in several calls.
pub const REFERENCES_MAX: usize = 10_000;
/// Bytes of a secret's version.
pub const VERSION_BYTES_MAX: usize = 256;
/// Keys in one page of a listing.
pub const PAGE_KEYS_MAX: usize = 1_000;
/// Keys in a whole listing.
pub const LISTED_KEYS_MAX: usize = 1_000_000;
/// Pages of a whole listing. Azure gives 25 keys at a time, and each page may take the time of a call.
pub const LISTED_PAGES_MAX: usize = 10_000;
/// Bytes of a listing's cursor.
pub const CURSOR_BYTES_MAX: usize = 4_096;
/// Bytes of a guest's text that are shown in an error.
pub const GUEST_TEXT_BYTES_MAX: usize = 1_024;

// Logging.

/// Lines that one call may log.
pub const LOG_LINES_MAX: usize = 256;
/// Bytes that one call may log. The rest is counted and dropped.
pub const LOG_BYTES_MAX: usize = 64 * KIB;

// HTTP.

/// Bytes of a request's or a response's headers. Servers commonly take 8 to 64 KiB.
pub const HEADER_BYTES_MAX: usize = 64 * KIB;
/// Headers of a request or a response.
pub const HEADERS_MAX: usize = 100;
/// Wall time until a connection stands, TLS included.
pub const CONNECT_MAX: Duration = Duration::from_secs(3);
/// Wall time between two pieces of a response. A server that sends a byte now and then does not get to
/// hold a call to its end.
pub const BETWEEN_BYTES_MAX: Duration = Duration::from_secs(3);
/// Wall time from a request to the first byte of its response. The time of the call bounds it as well;
/// this is for calls that were given minutes.
pub const FIRST_BYTE_MAX: Duration = Duration::from_secs(30);
/// Addresses of one name that are tried.
pub const ADDRESSES_MAX: usize = 8;
/// Bytes of an injected header, prefix included.
pub const INJECTED_HEADER_BYTES_MAX: usize = 16 * KIB;
/// For a login, from the connection to the last byte. It is a part of the call's time.
pub const LOGIN_MAX: Duration = Duration::from_secs(10);
/// Bytes of the answer to a login. Tokens with many groups have 10 KiB.
pub const LOGIN_ANSWER_BYTES_MAX: usize = 64 * KIB;
/// How long a token is kept, whatever its issuer says: an operator who takes a right away does not wait longer.
pub const LOGIN_LIFETIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// After a renewal ahead of time that failed, until the next one. The token is good meanwhile.
pub const LOGIN_PAUSE: Duration = Duration::from_secs(10);
/// What an assertion that the host signs is good for. It is used at once; clocks differ.
pub const ASSERTION_LIFETIME: Duration = Duration::from_secs(300);
/// How often a request is sent in all, if it can be sent again. A backend that throttles or restarts answers
/// the second or third time; one that is down is not worth more of a call's time.
pub const TRIES_MAX: usize = 3;
/// The most that is waited before the second time, twice as much before the third. A few times what an
/// answer takes, and both fit into the time of a call.
pub const RETRY_WAIT: Duration = Duration::from_millis(100);
/// Bytes of a file of certificate authorities. That of a public bundle has 200 KB.
pub const CA_BYTES_MAX: usize = 4 * MIB;
/// How long an idle connection is kept.
pub const IDLE_CONNECTION_MAX: Duration = Duration::from_secs(60);
/// Connections of a store beyond which those that lie idle are closed: as many as it may use at the same time,
/// twice. A grant may name any number of hosts, and a process has 1,024 descriptors by default.
pub const CONNECTIONS_KEPT_MAX: usize = 2 * CONCURRENCY_MAX;

// Commands.

/// Bytes that a command may write: a value of the usual size.
pub const COMMAND_OUTPUT_BYTES_MAX: usize = MIB;

// The cache that a plugin has in the host.

/// Bytes of one entry, key and value: a token with its claims.
pub const CACHE_ENTRY_BYTES_MAX: usize = 64 * KIB;
/// Entries of one store.
pub const CACHE_ENTRIES_MAX: usize = 128;
/// Bytes of all entries of one store.
pub const CACHE_BYTES_MAX: usize = MIB;
/// How long an entry is kept at most.
pub const CACHE_TTL_MAX: Duration = Duration::from_secs(3600);

// Workers: the processes of plugins that run in one of their own.

/// What compiling a component in a worker may take. An embedder can choose others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compiling {
    /// Wall time. A Python plugin of 18 MB takes 20 s on two processors.
    pub time: Duration,
    /// Processor time of all threads together, in whole seconds.
    pub processor: Duration,
    /// Bytes of memory that can be written to. That plugin takes 1 GiB.
    pub memory: u64,
}

impl Default for Compiling {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(120),
            processor: Duration::from_secs(180),
            memory: 3 << 30,
        }
    }
}

/// Bytes of compiled code: that of the largest component is about four times as large as itself.
pub const COMPILED_BYTES_MAX: u64 = 256 << 20;
/// Wall time until a worker is ready. It takes some ten milliseconds, and more where much else runs.
pub const WORKER_START_MAX: Duration = Duration::from_secs(30);
/// Workers of one store that may die within [`WORKER_DEATHS_WITHIN`]; then none is started until one of
/// the deaths is as long ago. Whatever kills them, starting them for ever would only hide it.
pub const WORKER_DEATHS_MAX: usize = 8;
/// See [`WORKER_DEATHS_MAX`].
pub const WORKER_DEATHS_WITHIN: Duration = Duration::from_secs(60);
/// Bytes that a worker can write to, besides what its instances have: the engine, its tables of plugins,
/// the threads that wait for files, and what is on its way to the host and back.
pub const WORKER_BYTES: u64 = 1 << 30;
/// Bytes that a worker can write to for each instance, besides its memories: tables, stack, bookkeeping.
pub const WORKER_INSTANCE_BYTES: u64 = 32 << 20;
/// Bytes of a file that a worker writes. An image of an instance's memory is such a file, too.
pub const WORKER_FILE_BYTES_MAX: u64 = 1 << 30;
/// Threads of a worker that wait for files.
pub const WORKER_THREADS_MAX: usize = 64;
/// Bytes of one message between coffer and a worker: what may cross from a guest at once, and what it is
/// wrapped in.
pub const MESSAGE_BYTES_MAX: usize = CROSSING_TOTAL_BYTES_MAX + 4 * MIB;
/// Bytes of a message that are neither text nor values. An element of a list has at least two, so what
/// is made of a message is at most some dozen megabytes larger than itself.
pub const MESSAGE_STRUCTURE_BYTES_MAX: usize = MIB;
/// What the guest of one call may have done for it at the same time: requests, commands.
pub const EFFECTS_MAX: u32 = 64;
/// KiB of all that together.
pub const EFFECTS_KIB_MAX: u32 = 128 * 1024;

fn bytes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    use serde::de::Error as _;
    let text = Quantity::deserialize(deserializer)?.into_text();
    let bytes: bytesize::ByteSize = text
        .parse()
        .map_err(|_| D::Error::custom("this is not a number of bytes, such as 64MiB"))?;
    usize::try_from(bytes.as_u64()).map_err(D::Error::custom)
}

fn duration<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    use serde::de::Error as _;
    let text = Quantity::deserialize(deserializer)?.into_text();
    humantime::parse_duration(&text)
        .map_err(|_| D::Error::custom("this is not a time with its unit, such as 5s or 500ms"))
}

/// A quantity as people write it: `64MiB`, `5s`, or a bare number.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a quantity, such as 64MiB or 5s")]
enum Quantity {
    Number(u64),
    Text(String),
}

impl Quantity {
    fn into_text(self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Text(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn limits_are_read_with_their_units() {
        let check = |json: serde_json::Value, expected: Result<Limits, &str>| {
            let limits: Result<Limits, _> = serde_json::from_value(json.clone());
            let limits = limits
                .map_err(|error| error.to_string())
                .and_then(|limits| limits.check().map(|()| limits));
            match (&limits, &expected) {
                (Ok(limits), Ok(expected)) => assert_eq!(limits, expected, "{json}"),
                (Err(error), Err(expected)) if error.contains(expected) => {}
                _ => panic!("{json}: {limits:?}, not {expected:?}"),
            }
        };
        let default = Limits::default();
        check(json!({}), Ok(default));
        check(json!({ "memory": "1MiB" }), Ok(Limits { memory: MIB, ..default }));
        check(json!({ "memory": 65536 }), Ok(Limits { memory: 65536, ..default }));
        check(json!({ "memory": 65535 }), Err("from 64KiB to 256MiB"));
        check(json!({ "memory": "256MiB" }), Ok(Limits { memory: 268_435_456, ..default }));
        check(json!({ "memory": 268_435_457 }), Err("from 64KiB to 256MiB"));
        check(json!({ "memory": "much" }), Err("not a number of bytes"));
        check(json!({ "memory": -1 }), Err("expected a quantity"));
        check(
            json!({ "call": "500ms" }),
            Ok(Limits { call: Duration::from_millis(500), ..default }),
        );
        check(json!({ "call": 5 }), Err("not a time with its unit"));
        check(json!({ "call": "999us" }), Err("from 1ms to 10m"));
        check(json!({ "call": "1ms" }), Ok(Limits { call: Duration::from_millis(1), ..default }));
        check(json!({ "call": "10m" }), Ok(Limits { call: Duration::from_secs(600), ..default }));
        check(json!({ "call": "10m 1ms" }), Err("from 1ms to 10m"));
        check(json!({ "concurrency": 0 }), Err("from 1 to 64"));
        check(json!({ "concurrency": 1 }), Ok(Limits { concurrency: 1, ..default }));
        check(json!({ "concurrency": 64 }), Ok(Limits { concurrency: 64, ..default }));
        check(json!({ "concurrency": 65 }), Err("from 1 to 64"));
        check(json!({ "answer": 0 }), Err("from 1B to 16MiB"));
        check(json!({ "answer": 1 }), Ok(Limits { answer: 1, ..default }));
        check(json!({ "answer": "16MiB" }), Ok(Limits { answer: 16_777_216, ..default }));
        check(json!({ "answer": 16_777_217 }), Err("from 1B to 16MiB"));
        check(json!({ "requests": 0 }), Ok(Limits { requests: 0, ..default }));
        check(json!({ "requests": 10_000 }), Ok(Limits { requests: 10_000, ..default }));
        check(json!({ "requests": 10_001 }), Err("at most 10000"));
        check(json!({ "body": 1_023 }), Err("from 1KiB to 32MiB"));
        check(json!({ "body": "1KiB" }), Ok(Limits { body: 1_024, ..default }));
        check(json!({ "body": "32MiB" }), Ok(Limits { body: 33_554_432, ..default }));
        check(json!({ "body": 33_554_433 }), Err("from 1KiB to 32MiB"));
        check(json!({ "timeout": "5s" }), Err("unknown field `timeout`"));
    }

    #[test]
    fn defaults_are_as_the_document_says() {
        let Limits { memory, call, concurrency, answer, requests, body } = Limits::default();
        check_figure("memory", &memory);
        check_figure("concurrency", &concurrency);
        check_figure("call", &call);
        check_figure("answer", &answer);
        check_figure("requests", &requests);
        check_figure("body", &body);
        // What the document calls half of the memory, or a body if that is more.
        let default = Limits::default();
        assert_eq!(default.held_answers(), 32 * MIB);
        assert_eq!(Limits { memory: MIB, ..default }.held_answers(), 8 * MIB);
    }

    /// Whoever changes a bound by mistake does not change it in the document as well.
    #[test]
    fn constants_are_as_the_document_says() {
        // The most that an operator can set is held above, to the number.
        let ranges = [
            "MEMORY_BYTES_MAX",
            "CALL_MAX",
            "CONCURRENCY_MAX",
            "ANSWER_BYTES_MAX",
            "REQUESTS_MAX",
            "BODY_BYTES_MAX",
        ];
        macro_rules! checked {
            ($($name:ident)*) => {{
                $(check_figure(stringify!($name), &$name);)*
                [$(stringify!($name)),*]
            }};
        }
        let checked = checked!(
            COMPONENT_BYTES_MAX
            INTERFACES_MAX
            INTERFACE_NAME_BYTES_MAX
            MODULES_MAX
            COMPONENTS_MAX
            COMPONENT_INSTANCES_MAX
            TYPES_MAX
            ITEMS_MAX
            SEGMENTS_MAX
            FUNCTIONS_MAX
            CODE_BYTES_MAX
            FUNCTION_BYTES_MAX
            LOCALS_MAX
            PARAMETERS_MAX
            RESULTS_MAX
            OPERANDS_MAX
            BRANCHES_MAX
            BRANCH_TARGETS_MAX
            BLOCKS_NESTED_MAX
            LOOPS_NESTED_MAX
            TANGLE_MAX
            COMPILED_BYTES_MAX
            WORKER_START_MAX
            WORKER_DEATHS_MAX
            WORKER_DEATHS_WITHIN
            WORKER_BYTES
            WORKER_INSTANCE_BYTES
            WORKER_FILE_BYTES_MAX
            WORKER_THREADS_MAX
            MESSAGE_BYTES_MAX
            MESSAGE_STRUCTURE_BYTES_MAX
            EFFECTS_MAX
            EFFECTS_KIB_MAX
            CORE_INSTANCES_MAX
            MEMORIES_MAX
            TABLES_MAX
            TABLE_ELEMENTS_MAX
            STACK_BYTES_MAX
            ASYNC_STACK_BYTES
            TICK
            CROSSING_BYTES_MAX
            CROSSING_TOTAL_BYTES_MAX
            CHUNK_REFERENCES_MAX
            HANDLES_MAX
            RANDOM_BYTES_MAX
            CLOCK_RESOLUTION
            OUTPUT_WRITE_BYTES_MAX
            OPEN_FILES_MAX
            FILES_CREATED_MAX
            FILE_BYTES_WRITTEN_MAX
            DIRECTORY_ENTRIES_MAX
            REFERENCES_MAX
            VERSION_BYTES_MAX
            PAGE_KEYS_MAX
            LISTED_KEYS_MAX
            LISTED_PAGES_MAX
            CURSOR_BYTES_MAX
            GUEST_TEXT_BYTES_MAX
            LOG_LINES_MAX
            LOG_BYTES_MAX
            HEADER_BYTES_MAX
            HEADERS_MAX
            CONNECT_MAX
            CONNECTIONS_KEPT_MAX
            BETWEEN_BYTES_MAX
            FIRST_BYTE_MAX
            ADDRESSES_MAX
            INJECTED_HEADER_BYTES_MAX
            LOGIN_MAX
            LOGIN_ANSWER_BYTES_MAX
            LOGIN_LIFETIME_MAX
            LOGIN_PAUSE
            ASSERTION_LIFETIME
            TRIES_MAX
            RETRY_WAIT
            CA_BYTES_MAX
            IDLE_CONNECTION_MAX
            COMMAND_OUTPUT_BYTES_MAX
            CACHE_ENTRY_BYTES_MAX
            CACHE_ENTRIES_MAX
            CACHE_BYTES_MAX
            CACHE_TTL_MAX
        );
        let declared = include_str!("limits.rs").lines().filter_map(|line| {
            Some(line.strip_prefix("pub const ")?.split(':').next().expect("a name and a type"))
        });
        for name in declared {
            assert!(checked.contains(&name) || ranges.contains(&name), "{name} is not looked at");
        }
    }

    /// What stands in the second column beside `name`.
    #[track_caller]
    fn check_figure(name: &str, value: &dyn std::fmt::Debug) {
        let row = format!("| `{name}` | ");
        let mut rows = include_str!("../../../docs/limits.md")
            .lines()
            .filter_map(|line| line.strip_prefix(&row));
        let said = rows.next().and_then(|row| row.split(" | ").next());
        let said = said.unwrap_or_else(|| panic!("docs/limits.md does not name {name}"));
        assert_eq!(rows.next(), None, "{name} stands in docs/limits.md more than once");
        let number = said.replace(',', "");
        let meant = if let Some(exponent) = number.strip_prefix("2^") {
            (1_u64 << exponent.parse::<u32>().unwrap()).to_string()
        } else if let Ok(bytes) = number.parse::<bytesize::ByteSize>() {
            bytes.as_u64().to_string()
        } else {
            format!("{:?}", humantime::parse_duration(&number).unwrap())
        };
        assert_eq!(format!("{value:?}"), meant, "{name}, which docs/limits.md says is {said}");
    }
}
