//! What a container runs: command, arguments, environment, from the image and the config. Pure.

use super::desired::DesiredContainer;
use super::error::StepError;
use super::far_end::TERM;
use super::init_program::INSIDE;
use std::collections::BTreeMap;

/// Where programs are looked for when the image does not say.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Program and arguments. `command` replaces the image's entrypoint and drops its command; `args`
/// replaces the image's command. With `init` they are that one's.
pub(super) fn arguments(container: &DesiredContainer) -> Result<Vec<String>, StepError> {
    let (config, image) = (&container.config, &container.image.run);
    let (entrypoint, of_image): (&[String], &[String]) = match &config.command {
        Some(command) => (command, &[]),
        None => (&image.entrypoint, &image.cmd),
    };
    let arguments = config.args.as_deref().unwrap_or(of_image);
    let all: Vec<String> = entrypoint.iter().chain(arguments).cloned().collect();
    if all.first().is_none_or(String::is_empty) {
        return Err(StepError::NoCommand);
    }
    Ok(match config.process.init {
        true => [INSIDE.to_owned(), "--".to_owned()]
            .into_iter()
            .chain(all)
            .collect(),
        false => all,
    })
}

/// `NAME=value`, the image's, over it what the host gives, over that the config's, sorted by name.
pub(super) fn environment(
    container: &DesiredContainer,
    given: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut all = BTreeMap::from([("PATH", PATH)]);
    if container.config.process.tty {
        all.insert("TERM", TERM);
    }
    // What has no `=` is no variable.
    all.extend(
        container
            .image
            .run
            .env
            .iter()
            .filter_map(|line| line.split_once('=')),
    );
    all.extend(
        given
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    );
    all.extend(
        container
            .config
            .env
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    );
    all.into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

/// The working directory.
pub(super) fn directory(container: &DesiredContainer) -> &str {
    let config = container.config.process.workdir.as_deref();
    match config.unwrap_or(&container.image.run.working_dir) {
        "" => "/",
        path => path,
    }
}

/// What it calls itself.
pub(super) fn host_name(container: &DesiredContainer) -> &str {
    let config = container.config.process.hostname.as_deref();
    config.unwrap_or(container.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::fixture::desired_web;
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn command_replaces_the_entrypoint_and_args_the_command() {
        for (entrypoint, cmd, command, args, expected) in [
            ("/e -x", "c", None, None, "/e -x c"),
            ("", "/c d", None, None, "/c d"),
            ("/e", "c", None, Some("a b"), "/e a b"),
            ("/e", "c", None, Some(""), "/e"),
            ("/e", "c", Some("/n"), None, "/n"),
            ("/e", "c", Some("/n"), Some("a"), "/n a"),
            ("", "/c", None, Some("/a"), "/a"),
        ] {
            let mut container = desired_web().containers.remove(0);
            container.image.run.entrypoint = words(entrypoint);
            container.image.run.cmd = words(cmd);
            container.config.command = command.map(words);
            container.config.args = args.map(words);
            assert_eq!(arguments(&container).unwrap(), words(expected));
        }
    }

    #[test]
    fn an_init_comes_before_the_program() {
        let mut container = desired_web().containers.remove(0);
        container.config.process.init = true;
        assert_eq!(
            arguments(&container).unwrap(),
            words("/dev/init -- /app/server --listen :80")
        );
    }

    #[test]
    fn nothing_to_run_is_an_error() {
        let mut container = desired_web().containers.remove(0);
        container.config.process.init = true;
        container.image.run.entrypoint.clear();
        container.config.args = None;
        container.image.run.cmd.clear();
        assert!(matches!(arguments(&container), Err(StepError::NoCommand)));
    }

    #[test]
    fn one_with_a_terminal_knows_its_kind_if_nobody_says_another() {
        let mut container = desired_web().containers.remove(0);
        let kinds = |container: &DesiredContainer| {
            let env = environment(container, &BTreeMap::new());
            let kinds = env.into_iter().filter(|line| line.starts_with("TERM="));
            kinds.collect::<Vec<_>>()
        };
        assert!(kinds(&container).is_empty());
        container.config.process.tty = true;
        assert_eq!(kinds(&container), ["TERM=xterm"]);
        container.image.run.env = vec!["TERM=vt100".into()];
        assert_eq!(kinds(&container), ["TERM=vt100"]);
    }

    #[test]
    fn the_configs_environment_wins_over_that_of_files_and_that_over_the_images() {
        let mut container = desired_web().containers.remove(0);
        container.image.run.env = vec!["MODE=slow".into(), "A=b=c".into(), "broken".into()];
        let given = BTreeMap::from([
            ("MODE".to_owned(), "from a file".to_owned()),
            ("TOKEN".to_owned(), "x".to_owned()),
        ]);
        assert_eq!(
            environment(&container, &given),
            ["A=b=c", "MODE=fast", &format!("PATH={PATH}"), "TOKEN=x"]
        );
    }
}
