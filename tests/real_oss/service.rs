//! The service under test, and directories in which terraform uses it.

use std::cell::RefCell;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use oss_emulator::{Config, Emulator};
use tempfile::TempDir;

use crate::interrupts;
use crate::tunnel::tunnels_to;

const KEY_ID: &str = "LTAI5tTESTTESTTESTTEST01";
const KEY_SECRET: &str = "TestSecretTestSecretTestSecret";
const BUCKET: &str = "real-oss-test";
const REGION: &str = "cn-hangzhou";
/// The directory in which a rule is restored, also after an interrupt.
pub(crate) const RESTORE: &str = "restore";

/// OSS, or the emulator in its place.
pub(crate) struct Service {
    pub(crate) is_real: bool,
    pub(crate) bucket: String,
    pub(crate) may_overwrite: bool,
    pub(crate) kms_key_id: Option<String>,
    terraform: OsString,
    directory: TempDir,
    /// In addition to the environment of this process, or in place of it for the emulator.
    environment: Vec<(String, String)>,
    pub(crate) emulator: Option<Emulator>,
}

/// A working directory with a state of its own.
pub(crate) struct Directory<'a> {
    service: &'a Service,
    path: PathBuf,
    is_interruptible: bool,
}

/// The result of a command.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    what: String,
    /// Method, status and error code of each request to OSS.
    requests: Vec<String>,
    is_real: bool,
}

fn variable(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?.into_string().ok()?;
    Some(value).filter(|value| !value.is_empty())
}

/// Whether a variable is `1`. An error if it is anything else: `0`, `no` and an empty value all look like no, and
/// must not be taken for yes.
fn is_one(name: &str, value: Option<OsString>) -> Result<bool, String> {
    match value {
        None => Ok(false),
        Some(value) if value == "1" => Ok(true),
        Some(value) => {
            let value = value.to_string_lossy();
            Err(format!("{name} is {value:?}: set it to 1, or unset it"))
        }
    }
}

thread_local! {
    static REPORTED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Prints a line, even if the test passes.
pub(crate) fn report(line: impl fmt::Display) {
    // Not with the macro, whose output is hidden if the test passes.
    let _ = writeln!(std::io::stderr(), "real_oss: {line}");
    REPORTED.with_borrow_mut(|reported| reported.push(line.to_string()));
}

/// The lines that this test printed.
pub(crate) fn reported() -> Vec<String> {
    REPORTED.with_borrow(Clone::clone)
}

impl Service {
    /// The service that the environment names. `None`, with a notice, if there is no terraform.
    pub(crate) fn start() -> Option<Self> {
        let [is_real, may_overwrite] = ["OSS_ACC", "OSS_ACC_OVERWRITE"].map(|name| {
            is_one(name, std::env::var_os(name)).unwrap_or_else(|error| panic!("{error}"))
        });
        Self::start_with(is_real, may_overwrite)
    }

    /// The emulator, whatever the environment names.
    pub(crate) fn start_emulator() -> Option<Self> {
        Self::start_with(false, false)
    }

    fn start_with(is_real: bool, may_overwrite: bool) -> Option<Self> {
        interrupts::handle();
        let terraform = variable("TERRAFORM").unwrap_or_else(|| "terraform".to_owned());
        let version = Command::new(&terraform).arg("version").output();
        if !version.is_ok_and(|output| output.status.success()) {
            let message = format!("{terraform} cannot be run: the test did NOT run");
            assert!(variable("REQUIRE_TERRAFORM").is_none(), "{message}");
            report(message);
            return None;
        }
        let directory = TempDir::new().unwrap();
        let provider = Path::new(env!("CARGO_BIN_EXE_terraform-provider-oss"));
        let overrides = format!(
            "provider_installation {{\n  dev_overrides {{\n    \"oss-tools/oss\" = {:?}\n  }}\n  direct {{}}\n}}\n",
            provider.parent().unwrap().to_str().unwrap(),
        );
        let cli_config = directory.path().join("cli.tfrc");
        fs::write(&cli_config, overrides).unwrap();
        let terraform_environment = [
            ("TF_CLI_CONFIG_FILE", cli_config.to_str().unwrap()),
            ("CHECKPOINT_DISABLE", "1"),
            ("TF_IN_AUTOMATION", "1"),
        ];
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let mut environment = terraform_environment.map(owned).to_vec();
        let mut emulator = None;
        if !is_real {
            let config = Config::default().with_credentials(KEY_ID, KEY_SECRET);
            let started = Emulator::start(config.with_bucket(BUCKET).with_tls()).unwrap();
            let certificate = directory.path().join("oss.pem");
            fs::write(&certificate, started.certificate_pem().unwrap()).unwrap();
            let (proxy, _) = tunnels_to(started.port());
            let path = variable("PATH").unwrap_or_default();
            environment.extend(
                [
                    ("PATH", path.as_str()),
                    ("HOME", directory.path().to_str().unwrap()),
                    ("HTTPS_PROXY", proxy.as_str()),
                    ("SSL_CERT_FILE", certificate.to_str().unwrap()),
                    ("ALIBABA_CLOUD_REGION", REGION),
                    ("ALIBABA_CLOUD_ACCESS_KEY_ID", KEY_ID),
                    ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", KEY_SECRET),
                ]
                .map(owned),
            );
            emulator = Some(started);
        }
        let bucket = if is_real {
            variable("OSS_ACC_BUCKET").expect("OSS_ACC=1 needs OSS_ACC_BUCKET, an existing bucket")
        } else {
            BUCKET.to_owned()
        };
        Some(Self {
            is_real,
            bucket,
            may_overwrite,
            kms_key_id: if is_real {
                variable("OSS_ACC_KMS_KEY_ID")
            } else {
                Some("9468da86-3509-4f8d-a61e-6eab1eac0000".to_owned())
            },
            terraform: terraform.into(),
            directory,
            environment,
            emulator,
        })
    }

    /// The environment of commands that use the emulator.
    pub(crate) fn environment(&self) -> impl Iterator<Item = (&str, &str)> {
        self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A file for what another process prints.
    pub(crate) fn printed(&self) -> PathBuf {
        self.directory.path().join("printed")
    }

    /// A directory with a state of its own.
    pub(crate) fn directory(&self, name: &str) -> Directory<'_> {
        let path = self.directory.path().join(name);
        fs::create_dir_all(&path).unwrap();
        Directory { service: self, path, is_interruptible: name != RESTORE }
    }
}

impl Directory<'_> {
    /// Writes a configuration; region, endpoint and credentials come from the environment.
    pub(crate) fn configure(&self, text: &str) {
        let source = "terraform {\n  required_providers {\n    oss = {\n      source = \
                      \"oss-tools/oss\"\n    }\n  }\n}\n";
        fs::write(self.path.join("main.tf"), format!("{source}provider \"oss\" {{}}\n{text}"))
            .unwrap();
    }

    pub(crate) fn apply(&self) -> Run {
        self.run(&["apply", "-auto-approve", "-no-color"])
    }

    #[track_caller]
    pub(crate) fn expect_no_changes(&self) {
        let plan = self.run(&["plan", "-detailed-exitcode", "-no-color"]);
        assert_eq!(plan.code, Some(0), "{plan}");
        plan.expect_requests("plan", &["GET 200"]);
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        let log = self.path.join("provider.log");
        let _ = fs::remove_file(&log);
        let mut command = Command::new(&self.service.terraform);
        if !self.service.is_real {
            command.env_clear();
        }
        command.args(arguments).current_dir(&self.path);
        command.envs(self.service.environment());
        command.env("TF_LOG_PROVIDER", "debug").env("TF_LOG_PATH", &log);
        let output = if self.is_interruptible {
            interrupts::run(&mut command)
        } else {
            interrupts::run_to_the_end(&mut command)
        };
        let log = fs::read_to_string(&log).unwrap_or_default();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Run {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
            what: format!("terraform {}", arguments.join(" ")),
            requests: log.lines().filter_map(request).collect(),
            is_real: self.service.is_real,
        }
    }
}

/// `GET 404 NoSuchBucket`, from a line of the provider's log.
fn request(line: &str) -> Option<String> {
    line.contains("called OSS").then_some(())?;
    let field = |name: &str| {
        let value = line.split_whitespace().find_map(|field| field.strip_prefix(name));
        value.unwrap_or_default().trim_matches('"').to_owned()
    };
    let request = format!("{} {} {}", field("method="), field("status="), field("code="));
    Some(request.trim_end().to_owned())
}

impl Run {
    #[track_caller]
    pub(crate) fn succeeds(self) -> Self {
        assert_eq!(self.code, Some(0), "{self}");
        self
    }

    /// The requests are those that the emulator expects. OSS may differ: that is printed.
    #[track_caller]
    pub(crate) fn expect_requests(&self, step: &str, expected: &[&str]) {
        if self.is_real {
            if self.requests != expected {
                report(format!("{step}: OSS {:?}, emulator {expected:?}", self.requests));
            }
        } else {
            assert_eq!(self.requests, expected, "{step}");
        }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, stdout, stderr, what, .. } = self;
        write!(formatter, "{what} ended with {code:?}\n{stdout}\n{stderr}")
    }
}

#[test]
fn only_1_sets_a_switch() {
    let is_one = |value: Option<&str>| is_one("OSS_ACC", value.map(OsString::from));
    assert_eq!((is_one(None), is_one(Some("1"))), (Ok(false), Ok(true)));
    for value in ["", "0", "no", "true", " 1"] {
        let error = is_one(Some(value)).unwrap_err();
        assert_eq!(error, format!("OSS_ACC is {value:?}: set it to 1, or unset it"));
    }
}
