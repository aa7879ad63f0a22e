//! Runs the scripts in GitHub Actions workflows.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value as Json;

use super::files::yaml;
use super::workspace::{Run, Workspace};

/// The entries of an object whose values are strings.
pub(crate) fn texts(object: &Json) -> BTreeMap<String, String> {
    let entries = object.as_object().into_iter().flatten();
    entries.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

pub(crate) fn pairs(environment: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// A GitHub Actions workflow, of which only scripts are run.
pub(crate) struct Workflow(Json);

impl Workflow {
    pub(crate) fn read(path: &str) -> Self {
        Self(yaml(path))
    }

    pub(crate) fn jobs(&self) -> impl Iterator<Item = &String> {
        self.0["jobs"].as_object().unwrap().keys()
    }

    pub(crate) fn steps(&self, job: &str) -> &[Json] {
        self.0["jobs"][job]["steps"].as_array().unwrap()
    }

    /// Runs the script of a step in the workspace. `contexts` has the values of expressions,
    /// `environment` the variables of the runner.
    pub(crate) fn run_step(
        &self,
        workspace: &Workspace,
        job: &str,
        name: &str,
        contexts: &[(&str, String)],
        environment: &[(&str, &str)],
    ) -> Run {
        let step = self.steps(job).iter().find(|step| step["name"] == name).unwrap();
        let script = step["run"].as_str().unwrap();
        let mut all = BTreeMap::new();
        for level in [&self.0["env"], &self.0["jobs"][job]["env"], &step["env"]] {
            all.extend(
                texts(level).into_iter().map(|(name, text)| (name, evaluate(&text, contexts))),
            );
        }
        all.extend(environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
        // The command that GitHub runs for `shell: bash`.
        assert_eq!(self.0["defaults"]["run"]["shell"], "bash");
        let shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail"];
        workspace.script(".", &shell, script, &pairs(&all))
    }

    /// Runs the scripts of a job until one fails. Returns the result of the last one, with the output of all.
    pub(crate) fn run_job(
        &self,
        workspace: &Workspace,
        job: &str,
        contexts: &[(&str, String)],
        environment: &[(&str, &str)],
    ) -> Run {
        // Environment variables that scripts set for later steps.
        let file = workspace.write("github-env", "");
        let (mut last, mut stdout) = (None, String::new());
        for step in self.steps(job).iter().filter(|step| step["run"].is_string()) {
            let left = fs::read_to_string(&file).unwrap();
            let mut environment = environment.to_vec();
            environment.extend(left.lines().filter_map(|line| line.split_once('=')));
            environment.push(("GITHUB_ENV", &file));
            let name = step["name"].as_str().unwrap();
            let mut run = self.run_step(workspace, job, name, contexts, &environment);
            stdout.push_str(&run.stdout);
            run.stdout.clone_from(&stdout);
            let is_over = run.code != Some(0);
            last = Some(run);
            if is_over {
                break;
            }
        }
        last.unwrap()
    }
}

/// Replaces `${{ name }}` with the value of the name.
fn evaluate(text: &str, contexts: &[(&str, String)]) -> String {
    let mut parts = text.split("${{");
    let mut result = parts.next().unwrap().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("}}").unwrap();
        let value = contexts.iter().find(|(known, _)| *known == name.trim());
        result.push_str(&value.unwrap_or_else(|| panic!("{name} is not known")).1);
        result.push_str(rest);
    }
    result
}
