//! Logins: what an operator gives the host so that it gets the value of a credential by itself, because the
//! value expires. Here it is read and checked; nobody is asked for anything yet.

use crate::address::Reach;
use crate::reference::escape;
use crate::settings::nearest;
use crate::url::RequestUrl;
use serde_json::{Map, Value};
use std::fmt;

/// How the host gets the value of one credential, and from whom. It stands in the place of the value.
#[derive(Clone, Debug, PartialEq)]
pub struct Login {
    /// What is exchanged for the token.
    pub kind: LoginKind,
    url: RequestUrl,
    ca: Option<String>,
    reach: Option<Reach>,
}

/// The ways to log in, with what each takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginKind {
    /// OAuth 2.0 client credentials (RFC 6749, section 4.4).
    ClientCredentials {
        /// Who the client is.
        client_id: String,
        /// How it proves that.
        client_secret: Material,
        /// What the token is for. May be empty.
        scope: String,
    },
    /// The service account that Google gives the machine.
    GoogleMetadata {
        /// Which of them, if the machine has several.
        account: String,
    },
    /// OAuth 2.0 JWT bearer (RFC 7523), as Google's service accounts have it.
    JwtBearer {
        /// The key of the service account, as Google writes it into a file.
        key: Material,
        /// What the token is for.
        scope: String,
    },
    /// The identity that Azure gives the machine.
    ManagedIdentity {
        /// Which of them, if the machine has several.
        client_id: Option<String>,
        /// What the token is for.
        resource: String,
    },
    /// AppRole of Vault.
    VaultAppRole {
        /// The namespace, empty for the root.
        namespace: String,
        /// Which role.
        role_id: Material,
        /// What proves it.
        secret_id: Material,
    },
    /// The Kubernetes login of Vault.
    VaultKubernetes {
        /// The service account's token.
        jwt: Material,
        /// The namespace, empty for the root.
        namespace: String,
        /// Which role.
        role: String,
    },
}

/// A credential, or something that a login needs, which nobody else may see.
#[derive(Clone, PartialEq, Eq)]
pub enum Material {
    /// A file that has it, by its absolute path. It is read for each request or login, since something else may
    /// renew it, and white space around it is not part of it.
    File(String),
    /// It stands in the configuration, or a template made it.
    Text(String),
}

impl fmt::Debug for Material {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Text(_) => f.write_str("Text"),
        }
    }
}

impl Material {
    /// The path of `{ file: PATH }`, if this is that and nothing more, and absolute.
    pub(crate) fn path(given: &Map<String, Value>) -> Option<&str> {
        let path = given.get("file").filter(|_| given.len() == 1).and_then(Value::as_str);
        path.filter(|path| path.starts_with('/'))
    }
}

impl Login {
    /// Reads a login.
    ///
    /// # Errors
    ///
    /// A sentence that names what is wrong, and shows no value.
    pub(crate) fn read(given: &Map<String, Value>) -> Result<Self, String> {
        let kinds = || KINDS.map(|kind| kind.name).join(", ");
        let name = given.get("login").and_then(Value::as_str).unwrap_or_default();
        let Some(known) = KINDS.iter().find(|kind| kind.name == name) else {
            return Err(format!("`login` must be one of {}", kinds()));
        };
        let fields = Fields { given, known };
        fields.check()?;
        let kind = match known.name {
            "client-credentials" => LoginKind::ClientCredentials {
                client_id: fields.text("client-id")?,
                client_secret: fields.material("client-secret")?,
                scope: fields.text("scope")?,
            },
            "google-metadata" => LoginKind::GoogleMetadata { account: fields.account()? },
            "jwt-bearer" => {
                LoginKind::JwtBearer { key: fields.material("key")?, scope: fields.text("scope")? }
            }
            "managed-identity" => LoginKind::ManagedIdentity {
                client_id: Some(fields.text("client-id")?).filter(|id| !id.is_empty()),
                resource: fields.text("resource")?,
            },
            "vault-approle" => LoginKind::VaultAppRole {
                namespace: fields.text("namespace")?,
                role_id: fields.material("role-id")?,
                secret_id: fields.material("secret-id")?,
            },
            _ => LoginKind::VaultKubernetes {
                jwt: fields.material("jwt")?,
                namespace: fields.text("namespace")?,
                role: fields.text("role")?,
            },
        };
        // The one address that is the same on every machine, and that only these kinds may ask.
        let (url, reach) = match &kind {
            LoginKind::GoogleMetadata { account } => {
                (GOOGLE_METADATA.replace("ACCOUNT", account), Some(Reach::Private))
            }
            LoginKind::ManagedIdentity { .. } => (METADATA.to_owned(), Some(Reach::Private)),
            LoginKind::ClientCredentials { .. }
            | LoginKind::JwtBearer { .. }
            | LoginKind::VaultAppRole { .. }
            | LoginKind::VaultKubernetes { .. } => (fields.text("url")?, fields.reach()?),
        };
        let url = RequestUrl::parse(&url).map_err(|error| format!("`url` is refused: {error}"))?;
        if url.path_and_query().contains('?') {
            return Err("`url` must be without a query".into());
        }
        let ca = Some(fields.text("ca")?).filter(|path| !path.is_empty());
        if let Some(path) = &ca {
            absolute("ca", path)?;
        }
        Ok(Self { kind, url, ca, reach })
    }

    /// Whether what stands at `key` of something that an operator wrote proves who logs in, and is shown to nobody.
    /// Nothing, if it is neither a login nor a file.
    #[must_use]
    pub fn hides(given: &Map<String, Value>, key: &str) -> Option<bool> {
        if Material::path(given).is_some() {
            return Some(false);
        }
        let name = given.get("login")?.as_str()?;
        let is_login = KINDS.iter().any(|kind| kind.name == name);
        let is_file =
            given.get(key).and_then(Value::as_object).is_some_and(|m| Material::path(m).is_some());
        is_login.then(|| MATERIAL.contains(&key) && !is_file)
    }

    /// Who is asked for the token.
    #[must_use]
    pub fn url(&self) -> &RequestUrl {
        &self.url
    }

    /// How far the connection reaches, where the request that needs the token has `reach`.
    #[must_use]
    pub fn reach(&self, reach: Reach) -> Reach {
        self.reach.unwrap_or(reach)
    }

    /// The certificate authorities to trust, where the request that needs the token has `ca`. Those are for the
    /// same server only: an operator who runs their own store still logs in where everybody does.
    #[must_use]
    pub fn ca<'a>(&'a self, ca: Option<&'a str>, url: &RequestUrl) -> Option<&'a str> {
        let same = (self.url.tls(), self.url.host(), self.url.port())
            == (url.tls(), url.host(), url.port());
        self.ca.as_deref().or_else(|| ca.filter(|_| same))
    }

    /// Whether an answer of this status says that the token is not good. Vault says the same of a good one
    /// that is not allowed something.
    #[must_use]
    pub fn is_refusal(&self, status: u16) -> bool {
        match self.kind {
            LoginKind::ClientCredentials { .. }
            | LoginKind::GoogleMetadata { .. }
            | LoginKind::JwtBearer { .. }
            | LoginKind::ManagedIdentity { .. } => status == 401,
            LoginKind::VaultAppRole { .. } | LoginKind::VaultKubernetes { .. } => {
                matches!(status, 401 | 403)
            }
        }
    }
}

/// What Azure's machines ask for their identity. The rest of the query is added.
const METADATA: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

/// What Google's machines ask for the token of their service account.
const GOOGLE_METADATA: &str =
    "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/ACCOUNT/token";

/// What is read as [`Material`].
const MATERIAL: [&str; 5] = ["client-secret", "jwt", "key", "role-id", "secret-id"];

/// What a kind of login takes.
struct Known {
    name: &'static str,
    required: &'static [&'static str],
    optional: &'static [&'static str],
}

const KINDS: [Known; 6] = [
    Known {
        name: "client-credentials",
        required: &["client-id", "client-secret", "url"],
        optional: &["ca", "private-addresses", "scope"],
    },
    Known { name: "google-metadata", required: &[], optional: &["account"] },
    Known {
        name: "jwt-bearer",
        required: &["key", "scope", "url"],
        optional: &["ca", "private-addresses"],
    },
    Known { name: "managed-identity", required: &["resource"], optional: &["client-id"] },
    Known {
        name: "vault-approle",
        required: &["role-id", "secret-id", "url"],
        optional: &["ca", "namespace", "private-addresses"],
    },
    Known {
        name: "vault-kubernetes",
        required: &["jwt", "role", "url"],
        optional: &["ca", "namespace", "private-addresses"],
    },
];

/// What was given of what is known.
struct Fields<'a> {
    given: &'a Map<String, Value>,
    known: &'static Known,
}

impl Fields<'_> {
    fn check(&self) -> Result<(), String> {
        let Known { name, required, optional } = self.known;
        let known: Vec<String> =
            required.iter().chain(*optional).map(ToString::to_string).collect();
        for key in self.given.keys().filter(|key| *key != "login") {
            if !known.contains(key) {
                let hint = nearest(key, known.iter())
                    .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                return Err(format!("the login {name} takes no `{}`{hint}", escape(key)));
            }
        }
        let lacks = |key: &&&str| {
            matches!(self.given.get(**key), None | Some(Value::Null)) || self.given[**key] == ""
        };
        match required.iter().find(lacks) {
            Some(key) => Err(format!("the login {name} needs `{key}`")),
            None => Ok(()),
        }
    }

    /// A text, empty if it is not there.
    fn text(&self, key: &str) -> Result<String, String> {
        let text = match self.given.get(key) {
            None | Some(Value::Null) => "",
            Some(value) => value.as_str().ok_or_else(|| format!("`{key}` must be a text"))?,
        };
        // Some of it becomes headers.
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return Err(format!("`{key}` has a control character"));
        }
        Ok(text.to_owned())
    }

    fn material(&self, key: &str) -> Result<Material, String> {
        debug_assert!(MATERIAL.contains(&key), "{key} would be shown");
        let wrong = || format!("`{key}` must be a text, or `{{ file: PATH }}`");
        match &self.given[key] {
            Value::String(text) => Ok(Material::Text(text.clone())),
            Value::Object(object) if object.len() == 1 => {
                let path = object.get("file").and_then(Value::as_str).ok_or_else(wrong)?;
                absolute(key, path)?;
                Ok(Material::File(path.to_owned()))
            }
            _ => Err(wrong()),
        }
    }

    /// The name of a service account: a segment of a path. Without it the machine's usual one.
    fn account(&self) -> Result<String, String> {
        let text = self.text("account")?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
        if !text.bytes().all(plain) || text.starts_with('.') {
            return Err("`account` is not the address of a service account".into());
        }
        Ok(if text.is_empty() { "default".into() } else { text })
    }

    fn reach(&self) -> Result<Option<Reach>, String> {
        match self.given.get("private-addresses") {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(true)) => Ok(Some(Reach::Private)),
            Some(Value::Bool(false)) => Ok(Some(Reach::Public)),
            Some(_) => Err("`private-addresses` must be true or false".into()),
        }
    }
}

fn absolute(key: &str, path: &str) -> Result<(), String> {
    if path.starts_with('/') {
        Ok(())
    } else {
        Err(format!("the file of `{key}` must be absolute"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(given: &Value) -> Result<Login, String> {
        Login::read(given.as_object().unwrap())
    }

    /// What is complete of each kind.
    fn complete() -> [Value; 6] {
        let url = "https://id.example/login";
        [
            json!({ "login": "client-credentials", "url": url, "client-id": "i", "client-secret": "canary" }),
            json!({ "login": "google-metadata" }),
            json!({ "login": "jwt-bearer", "url": url, "key": { "file": "/k" }, "scope": "s" }),
            json!({ "login": "managed-identity", "resource": "https://vault.azure.net" }),
            json!({ "login": "vault-approle", "url": url, "role-id": "canary", "secret-id": "canary" }),
            json!({ "login": "vault-kubernetes", "url": url, "jwt": "canary", "role": "r" }),
        ]
    }

    #[test]
    fn a_login_is_complete_or_refused() {
        for (given, known) in complete().iter().zip(&KINDS) {
            let login = read(given).unwrap_or_else(|error| panic!("{given}: {error}"));
            assert!(!format!("{login:?}").contains("canary"), "{login:?}");
            for key in known.required {
                for nothing in [None, Some(json!(null)), Some(json!(""))] {
                    let mut less = given.clone();
                    match nothing {
                        None => drop(less.as_object_mut().unwrap().remove(*key)),
                        Some(nothing) => less[*key] = nothing,
                    }
                    let expected = format!("the login {} needs `{key}`", known.name);
                    assert_eq!(read(&less), Err(expected), "{less}");
                }
            }
        }
        assert!(read(&json!({})).unwrap_err().contains("must be one of client-credentials, "));
        assert!(read(&json!({ "login": "canary" })).is_err_and(|why| !why.contains("canary")));
    }

    #[test]
    fn what_is_wrong_is_said_without_the_value() {
        let check = |key: &str, value: Value, expected: &str| {
            let mut given = complete()[4].clone();
            given[key] = value;
            let why = read(&given).unwrap_err();
            assert!(why.contains(expected) && !why.contains("canary"), "{given}: {why}");
        };
        check("secret_id", json!("canary"), "takes no `secret_id`; did you mean `secret-id`?");
        check("client-secret", json!("canary"), "takes no `client-secret`");
        check("secret-id", json!(["canary"]), "must be a text, or `{ file: PATH }`");
        check("secret-id", json!({ "file": "canary" }), "must be absolute");
        check("secret-id", json!({ "file": "/a", "x": "canary" }), "must be a text, or");
        check("secret-id", json!({ "path": "/canary" }), "must be a text, or");
        check("namespace", json!({ "a": "canary" }), "`namespace` must be a text");
        check("namespace", json!("canary\r\n"), "has a control character");
        check("private-addresses", json!("canary"), "must be true or false");
        check("ca", json!("canary"), "must be absolute");
        for url in
            ["ftp://a.example/", "https://u:canary@a.example/", "https://2130706433/", "canary"]
        {
            check("url", json!(url), "`url` is refused");
        }
        check("url", json!("https://a.example/?canary"), "without a query");
    }

    #[test]
    fn only_the_machines_identity_is_asked_for_at_its_address() {
        let [oauth, google, _, identity, approle, _] =
            complete().map(|given| read(&given).unwrap());
        assert_eq!(identity.url().to_string(), METADATA);
        assert_eq!(identity.reach(Reach::Public), Reach::Private);
        assert_eq!(google.url().to_string(), GOOGLE_METADATA.replace("ACCOUNT", "default"));
        assert_eq!(google.reach(Reach::Public), Reach::Private);
        let named =
            json!({ "login": "google-metadata", "account": "a-b@p.iam.gserviceaccount.com" });
        let url = read(&named).unwrap().url().to_string();
        assert_eq!(url, GOOGLE_METADATA.replace("ACCOUNT", "a-b@p.iam.gserviceaccount.com"));
        for wrong in ["a/b", "..", "a?b", "a%2fb", "a b"] {
            let why = read(&json!({ "login": "google-metadata", "account": wrong })).unwrap_err();
            assert!(why.contains("not the address of a service account"), "{wrong}: {why}");
        }
        // Nothing else goes further than the grant.
        for login in [&oauth, &approle] {
            assert_eq!(login.reach(Reach::Public), Reach::Public);
            assert_eq!(login.reach(Reach::Private), Reach::Private);
        }
        let mut elsewhere = complete()[3].clone();
        elsewhere["url"] = json!("http://10.0.0.1/");
        assert!(read(&elsewhere).unwrap_err().contains("takes no `url`"));
    }

    #[test]
    fn authorities_of_the_grant_are_for_the_same_server() {
        let login = read(&complete()[4]).unwrap();
        let of = |url: &str| login.ca(Some("/ca"), &RequestUrl::parse(url).unwrap());
        assert_eq!(of("https://id.example/v1/secret"), Some("/ca"));
        for url in ["https://id.example:8443/", "https://other.example/", "http://id.example:443/"]
        {
            assert_eq!(of(url), None, "{url}");
        }
        let mut given = complete()[4].clone();
        given["ca"] = json!("/own");
        let url = RequestUrl::parse("https://id.example/").unwrap();
        assert_eq!(read(&given).unwrap().ca(Some("/ca"), &url), Some("/own"));
    }

    #[test]
    fn what_a_refusal_is() {
        let refusals = complete().map(|given| {
            let login = read(&given).unwrap();
            [200, 400, 401, 403, 404].map(|status| login.is_refusal(status))
        });
        let bearer = [false, false, true, false, false];
        let vault = [false, false, true, true, false];
        assert_eq!(refusals, [bearer, bearer, bearer, bearer, vault, vault]);
    }
}
