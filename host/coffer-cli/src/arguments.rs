//! The command line.

mod registry;

pub(crate) use registry::Registry;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use coffer_host::worker::Program;
use std::path::PathBuf;

/// Run bundles, and keep their secrets out of the database, with plugins that nobody has to trust.
#[derive(Debug, Parser)]
#[command(name = "coffer", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  it was done
  1  the bundle ran and failed, or what it left could not be saved; a plugin that was judged failed a case
  2  what was asked for cannot be done: the command line, the bundle, a name
  3  the operator has something to mend: the configuration, a grant, this machine
  4  a plugin broke its contract
  5  the service behind a plugin refused or could not be reached
  6  coffer itself failed
  130  it was interrupted";

/// What every command takes.
#[derive(Args, Clone, Debug)]
pub(crate) struct Global {
    /// coffer's own directory [default: ~/.coffer]
    #[arg(long, global = true, value_name = "DIR", env = "COFFER_HOME", value_hint = ValueHint::DirPath)]
    pub(crate) home: Option<PathBuf>,
    /// The configuration file [default: config.yaml, .yml, .toml or .json in coffer's directory]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// The context of a configuration file that has several
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// How results are printed
    #[arg(long, short, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
    /// What is told on standard error: debug, info, warning or error
    #[arg(long, global = true, value_name = "LEVEL")]
    pub(crate) verbosity: Option<String>,
    /// What is started for a plugin that runs in a process of its own; from `main`, and never written.
    #[arg(skip)]
    pub(crate) program: Option<Program>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A page for people; of `plugins inspect`
    Html,
    Json,
    /// What is found, for tools that collect it; of `plugins inspect`
    Sarif,
    Text,
    Yaml,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Install a bundle
    Install(Install),
    /// Upgrade an installation
    Upgrade(Act),
    /// Run an action of the bundle's own
    Invoke(Invoke),
    /// Uninstall an installation
    Uninstall(Uninstall),
    /// Look at what was installed
    #[command(subcommand, visible_alias = "installation")]
    Installations(Installations),
    /// Look after runs
    #[command(subcommand)]
    Runs(Runs),
    /// Ask a store
    #[command(subcommand, visible_alias = "secret")]
    Secrets(Secrets),
    /// Parameter sets
    #[command(subcommand, visible_alias = "parameter")]
    Parameters(Sets),
    /// Credential sets
    #[command(subcommand, visible_alias = "credential")]
    Credentials(Sets),
    /// Look at plugins
    #[command(subcommand, visible_alias = "plugin")]
    Plugins(Plugins),
    /// Let Porter use coffer's stores
    #[command(subcommand)]
    Porter(Porter),
    /// Look at the configuration
    #[command(subcommand)]
    Config(Config),
    /// Look at the ledger
    #[command(subcommand)]
    Ledger(Ledger),
    /// Look at coffer's directory, the configuration and this machine for what could give a value away
    ///
    /// It changes nothing, runs no plugin and shows no value. What is found is `wrong`, which ends it with
    /// exit code 3, or a `note`, which may be meant to be so.
    Doctor,
    /// Print what completes command lines in a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages
    Man {
        /// The directory that they go to
        #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
        directory: PathBuf,
    },
    /// Print the version
    Version,
}

#[derive(Args, Debug)]
pub(crate) struct Namespace {
    /// The namespace [default: the configuration's]
    #[arg(long, short, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Act {
    /// The installation [default: the name of the bundle]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) with: With,
}

#[derive(Args, Debug)]
pub(crate) struct With {
    /// The bundle: a directory with a bundle.json, or the file itself [default: that of the last run]
    #[arg(long, short, value_name = "DIR|FILE", visible_alias = "cnab-file", value_hint = ValueHint::AnyPath)]
    pub(crate) bundle: Option<PathBuf>,
    /// The bundle: one in a registry, as `registry/repository:tag`, with a digest or without
    #[arg(long, short, value_name = "REFERENCE", conflicts_with = "bundle")]
    pub(crate) reference: Option<String>,
    /// A parameter; `NAME=@FILE` reads a file, `NAME=-` reads standard input or asks
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub(crate) parameters: Vec<String>,
    /// A parameter set; the last one that has a parameter wins
    #[arg(long, short, value_name = "NAME")]
    pub(crate) parameter_set: Vec<String>,
    /// A credential set; the last one that has a credential wins
    #[arg(long, short, value_name = "NAME")]
    pub(crate) credential_set: Vec<String>,
    /// What runs the bundle: wasm, docker, or command:NAME [default: what the bundle is made for]
    #[arg(long, short)]
    pub(crate) driver: Option<String>,
    #[command(flatten)]
    pub(crate) namespace: Namespace,
}

#[derive(Args, Debug)]
pub(crate) struct Install {
    #[command(flatten)]
    pub(crate) act: Act,
}

#[derive(Args, Debug)]
pub(crate) struct Invoke {
    #[command(flatten)]
    pub(crate) act: Act,
    /// The action
    #[arg(long, value_name = "NAME")]
    pub(crate) action: String,
}

#[derive(Args, Debug)]
pub(crate) struct Uninstall {
    #[command(flatten)]
    pub(crate) act: Act,
    /// Delete the secrets of the installation from their stores, and forget it
    #[arg(long)]
    pub(crate) delete: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Installations {
    /// List the installations
    List {
        #[command(flatten)]
        namespace: Namespace,
        /// Those of every namespace
        #[arg(long, conflicts_with = "namespace")]
        all_namespaces: bool,
        /// So many at most
        #[arg(long, value_name = "COUNT")]
        limit: Option<usize>,
        /// Those after this one; with --all-namespaces after NAMESPACE/NAME
        #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
        after: String,
    },
    /// Show an installation
    Show(Named),
    /// Show the newest outputs of an installation
    Outputs(Named),
    /// List the runs of an installation
    Runs(Named),
}

#[derive(Args, Debug)]
pub(crate) struct Named {
    /// The installation
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) namespace: Namespace,
    /// Show secret values instead of *******
    #[arg(long)]
    pub(crate) reveal: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Runs {
    /// Put right what interrupted runs have left: save outputs from the spool, delete what nothing refers to
    Recover,
}

#[derive(Args, Debug)]
pub(crate) struct InStore {
    /// The store [default: the configuration's]
    #[arg(long, short, value_name = "NAME")]
    pub(crate) store: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Secrets {
    /// Resolve references
    Get {
        /// The keys
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<String>,
        /// What the keys are keys of: secret, env, path, command or value
        #[arg(long, default_value = "secret")]
        source: String,
        #[command(flatten)]
        store: InStore,
        /// Print the values instead of *******
        #[arg(long)]
        reveal: bool,
    },
    /// Keep a secret
    Put {
        /// The key
        key: String,
        /// Where the value is: `@FILE`, or `-` for standard input or to be asked
        #[arg(default_value = "-", value_name = "@FILE|-")]
        value: String,
        #[command(flatten)]
        store: InStore,
        /// Fail if the key exists, instead of replacing what it has
        #[arg(long)]
        keep: bool,
    },
    /// Delete secrets
    Delete {
        /// The keys
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<String>,
        #[command(flatten)]
        store: InStore,
    },
    /// Find what Porter has kept and does not need any more, and delete it
    Prune {
        /// What Porter's database does not refer to; there is nothing else to be found yet
        #[arg(long, required = true)]
        porter: bool,
        /// Porter's directory, whose configuration says where its database is [default: ~/.porter]
        #[arg(long, value_name = "DIR", env = "PORTER_HOME", value_hint = ValueHint::DirPath)]
        porter_home: Option<PathBuf>,
        #[command(flatten)]
        store: InStore,
        /// Leave what was made more recently than this: it may be of a run that is just going on
        #[arg(long, default_value = "1day", value_name = "TIME")]
        older_than: String,
        /// Delete what was found
        #[arg(long)]
        yes: bool,
    },
    /// List keys
    List {
        /// What the keys begin with
        #[arg(default_value = "")]
        prefix: String,
        #[command(flatten)]
        store: InStore,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Sets {
    /// Apply a set from a file; values in it go into the default store
    Apply {
        /// The file, as Porter has it, in YAML, TOML or JSON; `-` is standard input
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
        #[command(flatten)]
        namespace: Namespace,
    },
    /// List the sets
    List {
        #[command(flatten)]
        namespace: Namespace,
        /// Those of every namespace
        #[arg(long, conflicts_with = "namespace")]
        all_namespaces: bool,
    },
    /// Show a set
    Show {
        /// The set
        name: String,
        #[command(flatten)]
        namespace: Namespace,
    },
    /// Delete a set, and its values from the store
    Delete {
        /// The set
        name: String,
        #[command(flatten)]
        namespace: Namespace,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Plugins {
    /// Make a component of a plugin's crate, and show what it can do and imports
    Build(Build),
    /// Write down which plugins are configured and what they are granted, so that no others run
    Lock {
        /// Agree to what is wider than what is locked
        #[arg(long)]
        accept: bool,
    },
    /// Show what another version of a locked plugin is and asks for, and put it into its place
    Upgrade(Upgrade),
    /// Make a crate for a new plugin, with tests, in a new directory
    New(New),
    /// List the bundled plugins, and those that the configuration names
    List,
    /// Show what a plugin can do, what it asks for and what it imports; nothing of it runs
    Inspect {
        /// A bundled plugin, or the path of a component
        plugin: String,
    },
    /// Print the grants that a plugin asks for, with settings filled in
    Grants {
        /// A bundled plugin, the path of a component, or a store of the configuration
        plugin: String,
        /// A setting; the rest of a store's come from the configuration
        #[arg(long = "set", value_name = "NAME=VALUE")]
        settings: Vec<String>,
    },
    #[command(flatten)]
    Registry(Registry),
    /// Judge a plugin: conformance, faults, behaviour, cost; without its backend, or with what was recorded of it
    ///
    /// It ends with 0 if every case passed, 1 if one failed, and 2 if the plugin could not be judged in all of them.
    Test(Test),
}

#[derive(Args, Debug)]
pub(crate) struct Build {
    /// The directory of the crate
    #[arg(value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub(crate) directory: PathBuf,
    /// The profile of cargo's
    #[arg(long, value_name = "NAME", default_value = "release")]
    pub(crate) profile: String,
}

#[derive(Args, Debug)]
pub(crate) struct Upgrade {
    /// A store of the configuration, or the plugin as it is called there
    pub(crate) name: String,
    /// The other version: the path of a component
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// Agree to what is wider
    #[arg(long)]
    pub(crate) accept: bool,
}

#[derive(Args, Debug)]
pub(crate) struct New {
    /// The plugin's name, which the directory and the crate get as well
    pub(crate) name: String,
    /// What it begins with
    #[arg(long, value_enum, default_value_t = Template::Minimal)]
    pub(crate) template: Template,
    /// A checkout of the SDK, or of coffer, in the place of the published SDK
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) sdk: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Template {
    /// Keeps secrets in files
    Fs,
    /// Keeps secrets in a service over HTTP
    Http,
    /// Resolves secrets from variables
    Minimal,
}

#[derive(Args, Debug)]
pub(crate) struct Test {
    /// The path of a component, or a bundled plugin
    pub(crate) plugin: String,
    /// What has to be known of the plugin: settings, a backend or a cassette, a budget
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) profile: Option<PathBuf>,
    /// What values are made from [default: that of the cassette, or 0]
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// The form of the report
    #[arg(long, value_enum, default_value_t = Report::Text)]
    pub(crate) format: Report,
    /// The file that the report goes to [default: standard output]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) report: Option<PathBuf>,
    /// A case that is asked, instead of all of them
    #[arg(long = "case", value_name = "NAME")]
    pub(crate) cases: Vec<String>,
    /// Record what the profile's backend answers, to its cassette
    #[arg(long)]
    pub(crate) record: bool,
    /// Where the plugin runs [default: in a process of its own, unless it is bundled]
    #[arg(long, value_enum)]
    pub(crate) isolation: Option<Isolation>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Report {
    Html,
    Json,
    Junit,
    Sarif,
    Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Isolation {
    None,
    Process,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Porter {
    /// Put the plugin `coffer` into Porter's directory, and print the lines for Porter's configuration
    Install(PorterInstall),
}

#[derive(Args, Debug)]
pub(crate) struct PorterInstall {
    /// Porter's directory [default: ~/.porter]
    #[arg(long, value_name = "DIR", env = "PORTER_HOME", value_hint = ValueHint::DirPath)]
    pub(crate) porter_home: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Show the configuration in effect, with the grants of each store; credentials are masked
    Show,
    /// Check the configuration, and open every store of it
    Check,
    /// Print the JSON Schema of the configuration file
    Schema,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Ledger {
    /// Print every row of every table
    Dump,
}
