//! Docker's credentials: the file `config.json`, which `docker login`, `oras login`, `skopeo login` and others write,
//! and the programs `docker-credential-NAME` that it names. Each registry gets its own and no other's.

use crate::error::RegistryError;
use crate::limits;
use crate::reference::DOCKER_HUB;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use coffer_host::Secret;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use zeroize::{Zeroize as _, Zeroizing};

/// Where credentials come from.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    directory: Option<PathBuf>,
}

impl Credentials {
    /// Those of the file `config.json` in a directory: `DOCKER_CONFIG`, or else `.docker` in the user's home. Without
    /// one, or without the file, there are none.
    #[must_use]
    pub fn of(directory: Option<PathBuf>) -> Self {
        Self { directory }
    }

    /// What `registry` is to be given, if there is anything.
    pub(crate) async fn find(&self, registry: &str) -> Result<Option<Login>, RegistryError> {
        let wrong = |why| RegistryError::Credentials { registry: registry.to_owned(), why };
        let Some(file) = self.read().map_err(wrong)? else { return Ok(None) };
        let server = if registry == DOCKER_HUB { DOCKER_HUB_KEY } else { registry };
        let of_registry = file.cred_helpers.iter().find(|(key, _)| host(key) == host(server));
        let helper = of_registry.map(|(_, helper)| helper).or(file.creds_store.as_ref());
        if let Some(helper) = helper.filter(|helper| !helper.is_empty())
            && let Some(login) = ask(helper, server).await.map_err(wrong)?
        {
            return Ok(Some(login));
        }
        let entry = file.auths.iter().find(|(key, _)| host(key) == host(server));
        entry.map_or(Ok(None), |(_, entry)| entry.login().map_err(wrong))
    }

    fn read(&self) -> Result<Option<File>, String> {
        let Some(directory) = &self.directory else { return Ok(None) };
        let path = directory.join(NAME);
        let read = || {
            let file = Dir::open_ambient_dir(directory, ambient_authority())?.open(NAME)?;
            Secret::read(file, limits::DOCKER_CONFIG_BYTES_MAX)
        };
        let bytes = match read() {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{} cannot be read: {error}", path.display())),
        };
        // Where it is wrong would be quoted, and a credential with it.
        serde_json::from_slice(bytes.expose())
            .map(Some)
            .map_err(|_| format!("{} has not the form of Docker's configuration", path.display()))
    }
}

/// What a registry is given.
pub(crate) enum Login {
    /// A name and a password.
    Password { user: String, password: Secret },
    /// A token that is exchanged for others.
    Token(Secret),
}

impl Login {
    fn new(user: String, secret: String) -> Self {
        let secret = Secret::from(secret);
        if user == TOKEN_USER {
            Self::Token(secret)
        } else {
            Self::Password { user, password: secret }
        }
    }
}

/// Shows nothing of it.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Login")
    }
}

/// What is read of Docker's configuration.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct File {
    auths: BTreeMap<String, Entry>,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    identitytoken: String,
}

impl Entry {
    fn login(&self) -> Result<Option<Login>, String> {
        let malformed = || "`auth` of its entry is not `USER:PASSWORD` in Base64".to_owned();
        if !self.identitytoken.is_empty() {
            return Ok(Some(Login::Token(Secret::from(self.identitytoken.as_str()))));
        }
        if !self.auth.is_empty() {
            let bytes = STANDARD.decode(self.auth.trim()).map_err(|_| malformed())?;
            let text = Zeroizing::new(String::from_utf8(bytes).map_err(|_| malformed())?);
            let (user, password) = text.split_once(':').ok_or_else(malformed)?;
            return Ok(Some(Login::new(
                user.to_owned(),
                password.trim_end_matches('\0').to_owned(),
            )));
        }
        let given = !self.username.is_empty() || !self.password.is_empty();
        Ok(given.then(|| Login::new(self.username.clone(), self.password.clone())))
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.auth.zeroize();
        self.password.zeroize();
        self.identitytoken.zeroize();
    }
}

/// What a helper prints.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Printed {
    #[serde(default)]
    username: String,
    secret: String,
}

/// Asks a credential helper. What it prints is shown nowhere: even where it fails, a credential may be in it.
async fn ask(helper: &str, server: &str) -> Result<Option<Login>, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if !helper.bytes().all(plain) {
        return Err("its credential helper is no name of a program".into());
    }
    let program = format!("docker-credential-{helper}");
    let failed = |why: &str| format!("the credential helper `{program}` {why}");
    let mut child = tokio::process::Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(&format!("cannot be run: {error}")))?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else {
        return Err(failed("has no pipes"));
    };
    let mut printed = Zeroizing::new(Vec::with_capacity(limits::HELPER_BYTES_MAX + 1));
    let asked = async {
        // One that ends without reading says by its status what it thinks of it.
        let _ = stdin.write_all(format!("{server}\n").as_bytes()).await;
        drop(stdin);
        let mut stdout = stdout.take(limits::HELPER_BYTES_MAX as u64 + 1);
        stdout.read_to_end(&mut printed).await?;
        drop(stdout);
        child.wait().await
    };
    let status = tokio::time::timeout(limits::HELPER_MAX, asked)
        .await
        .map_err(|_| failed("took too long"))?
        .map_err(|error| failed(&format!("broke off: {error}")))?;
    if printed.len() > limits::HELPER_BYTES_MAX {
        return Err(failed("printed too much"));
    }
    if !status.success() {
        // The words by which every helper says that it has none.
        let said = printed.windows(NOT_FOUND.len()).any(|part| part == NOT_FOUND.as_bytes());
        return if said { Ok(None) } else { Err(failed(&format!("ended with {status}"))) };
    }
    let Printed { username, secret } =
        serde_json::from_slice(&printed).map_err(|_| failed("did not print what it should"))?;
    Ok(Some(Login::new(username, secret)))
}

/// The host that a key of Docker's configuration is for; some are URLs.
fn host(key: &str) -> &str {
    let key =
        ["https://", "http://"].iter().find_map(|scheme| key.strip_prefix(scheme)).unwrap_or(key);
    key.split('/').next().unwrap_or_default()
}

const NAME: &str = "config.json";

/// How Docker's configuration calls Docker's own registry.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// The name by which helpers say that the secret is a token.
const TOKEN_USER: &str = "<token>";

const NOT_FOUND: &str = "credentials not found";

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write files")]
mod tests {
    use super::*;

    /// What a registry is given, by a file.
    async fn found(config: &str, registry: &str) -> Result<Option<String>, String> {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(NAME), config).unwrap();
        let credentials = Credentials::of(Some(directory.path().to_owned()));
        match credentials.find(registry).await {
            Ok(Some(Login::Password { user, password })) => {
                Ok(Some(format!("{user} {}", password.expose_text().unwrap())))
            }
            Ok(Some(Login::Token(token))) => Ok(Some(token.expose_text().unwrap().to_owned())),
            Ok(None) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    #[tokio::test]
    async fn a_registry_gets_its_own_and_no_others() {
        let auth = |text: &str| STANDARD.encode(text);
        let config = format!(
            r#"{{"auths":{{"ghcr.io":{{"auth":"{}"}},"https://quay.io/v2/":{{"auth":"{}"}},"r.example:5000":{{"auth":
            "","identitytoken":"it"}},"{DOCKER_HUB_KEY}":{{"username":"h","password":"hp"}},"empty.io":{{}}}},"other":1}}"#,
            auth("u:p:q"),
            auth("q:qp"),
        );
        let check = async |registry: &str, expected: Option<&str>| {
            assert_eq!(
                found(&config, registry).await,
                Ok(expected.map(str::to_owned)),
                "{registry}"
            );
        };
        check("ghcr.io", Some("u p:q")).await;
        check("quay.io", Some("q qp")).await;
        check("r.example:5000", Some("it")).await;
        check("docker.io", Some("h hp")).await;
        for registry in
            ["r.example", "evil-ghcr.io", "ghcr.io.evil.org", "ghcr.io:444", "empty.io", "io"]
        {
            check(registry, None).await;
        }
    }

    #[tokio::test]
    async fn what_is_wrong_is_said_without_the_value() {
        let canary = "c4n4ry";
        for config in [
            format!(r#"{{"auths":{{"ghcr.io":{{"auth":"{canary}!"}}}}}}"#),
            format!(r#"{{"auths":{{"ghcr.io":{{"auth":["{canary}"]}}}}}}"#),
            format!(r#"{{"auths":{{"ghcr.io":{{"auth":"{}"}}}}}}"#, STANDARD.encode(canary)),
            format!(r#"{{"credsStore":"../{canary}"}}"#),
            canary.to_owned(),
        ] {
            let said = found(&config, "ghcr.io").await.unwrap_err();
            assert!(!said.contains(canary), "{said}");
        }
    }

    #[tokio::test]
    async fn without_a_file_there_are_none() {
        let directory = tempfile::tempdir().unwrap();
        for directory in
            [None, Some(directory.path().to_owned()), Some(directory.path().join("none"))]
        {
            assert!(Credentials::of(directory).find("ghcr.io").await.unwrap().is_none());
        }
    }
}
