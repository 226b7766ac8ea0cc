//! What the bundle does. It knows what CNAB gives an installer, and nothing of how it gets there.

/// The file that holds the parameter `name`, as `bundle.json` says.
const NAME: &str = "/cnab/app/foo/name.txt";

/// The file that holds the output `name`, as `bundle.json` says.
const NAME_OUTPUT: &str = "/cnab/app/outputs/name";

/// What an installer is given.
pub(crate) trait Surroundings {
    /// The value of a variable, if it is set.
    fn variable(&self, name: &str) -> Option<String>;
    /// The text in a file.
    fn read(&self, path: &str) -> Result<String, String>;
    /// Puts `text` into a file, in the place of what was there.
    fn write(&self, path: &str, text: &str) -> Result<(), String>;
    /// Prints a line.
    fn print(&self, line: &str) -> Result<(), String>;
}

/// Does what `CNAB_ACTION` says.
///
/// # Errors
///
/// A sentence that says what is missing, for people.
pub(crate) fn run(given: &impl Surroundings) -> Result<(), String> {
    let variable =
        |name: &str| given.variable(name).ok_or_else(|| format!("the variable {name} is not set"));
    let action = variable("CNAB_ACTION")?;
    let bundle = variable("CNAB_BUNDLE_NAME")?;
    // An installation in no namespace is in the one with the empty name.
    let namespace = given.variable("CNAB_INSTALLATION_NAMESPACE").unwrap_or_default();
    let installation = variable("CNAB_INSTALLATION_NAME")?;
    let name = given.read(NAME)?;
    let [step, greeting] = match action.as_str() {
        "install" => {
            let password = variable("PASSWORD")?;
            let greeting = format!("Hello, installing {name} with password: {password}");
            ["Install Hello World".to_owned(), greeting]
        }
        "upgrade" => ["World 2.0".to_owned(), format!("Hello, upgrading {name}")],
        "uninstall" => ["Uninstall Hello World".to_owned(), format!("Goodbye, {name}")],
        unknown => {
            return Err(format!(
                "the bundle has no action {unknown:?}; it has install, upgrade and uninstall"
            ));
        }
    };
    given.print(&format!(
        "executing {action} action from {bundle} (installation: {namespace}/{installation})"
    ))?;
    given.print(&step)?;
    given.print(&greeting)?;
    given.write(NAME_OUTPUT, &name)?;
    given.print("execution completed successfully!")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    #[derive(Default)]
    struct Fake {
        variables: BTreeMap<&'static str, &'static str>,
        files: RefCell<BTreeMap<String, String>>,
        printed: RefCell<Vec<String>>,
    }

    impl Surroundings for Fake {
        fn variable(&self, name: &str) -> Option<String> {
            self.variables.get(name).map(|&value| value.to_owned())
        }

        fn read(&self, path: &str) -> Result<String, String> {
            self.files.borrow().get(path).cloned().ok_or_else(|| format!("{path}: no-entry"))
        }

        fn write(&self, path: &str, text: &str) -> Result<(), String> {
            self.files.borrow_mut().insert(path.to_owned(), text.to_owned());
            Ok(())
        }

        fn print(&self, line: &str) -> Result<(), String> {
            self.printed.borrow_mut().push(line.to_owned());
            Ok(())
        }
    }

    fn given(action: &'static str) -> Fake {
        let fake = Fake {
            variables: BTreeMap::from([
                ("CNAB_ACTION", action),
                ("CNAB_BUNDLE_NAME", "sensitive-data"),
                ("CNAB_INSTALLATION_NAME", "sensitive-data"),
                ("CNAB_INSTALLATION_NAMESPACE", ""),
                ("PASSWORD", "top-secret"),
            ]),
            ..Fake::default()
        };
        fake.files.borrow_mut().insert(NAME.to_owned(), "example-bundle".to_owned());
        fake
    }

    #[test]
    fn each_action_prints_four_lines_and_leaves_the_name() {
        for (action, step, greeting) in [
            (
                "install",
                "Install Hello World",
                "Hello, installing example-bundle with password: top-secret",
            ),
            ("upgrade", "World 2.0", "Hello, upgrading example-bundle"),
            ("uninstall", "Uninstall Hello World", "Goodbye, example-bundle"),
        ] {
            let given = given(action);
            assert_eq!(run(&given), Ok(()), "{action}");
            let first = format!(
                "executing {action} action from sensitive-data (installation: /sensitive-data)"
            );
            let lines = [first.as_str(), step, greeting, "execution completed successfully!"];
            assert_eq!(*given.printed.borrow(), lines);
            assert_eq!(given.read(NAME_OUTPUT).as_deref(), Ok("example-bundle"));
        }
    }

    #[test]
    fn only_install_needs_the_password() {
        for (action, expected) in [
            ("install", Err("the variable PASSWORD is not set".to_owned())),
            ("upgrade", Ok(())),
            ("uninstall", Ok(())),
        ] {
            let mut given = given(action);
            given.variables.remove("PASSWORD");
            assert_eq!(run(&given), expected, "{action}");
        }
    }

    #[test]
    fn what_is_missing_is_said_before_anything_is_done() {
        let check = |change: &dyn Fn(&mut Fake), expected: &str| {
            let mut given = given("install");
            change(&mut given);
            assert_eq!(run(&given), Err(expected.to_owned()));
            assert_eq!(*given.printed.borrow(), [""; 0]);
            assert!(!given.files.borrow().contains_key(NAME_OUTPUT));
        };
        for name in ["CNAB_ACTION", "CNAB_BUNDLE_NAME", "CNAB_INSTALLATION_NAME", "PASSWORD"] {
            let remove = |given: &mut Fake| assert!(given.variables.remove(name).is_some());
            check(&remove, &format!("the variable {name} is not set"));
        }
        check(&|given| given.files.borrow_mut().clear(), "/cnab/app/foo/name.txt: no-entry");
        check(
            &|given| assert!(given.variables.insert("CNAB_ACTION", "dance").is_some()),
            "the bundle has no action \"dance\"; it has install, upgrade and uninstall",
        );
    }

    #[test]
    fn an_installation_is_shown_with_its_namespace() {
        let mut given = given("upgrade");
        given.variables.insert("CNAB_INSTALLATION_NAMESPACE", "team");
        run(&given).unwrap();
        let printed = given.printed.borrow();
        assert!(printed[0].ends_with("(installation: team/sensitive-data)"), "{printed:?}");
    }
}
