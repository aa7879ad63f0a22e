//! This executable as another process, which takes the emulator for OSS.

use std::fs;
use std::process::{Child, Command, ExitStatus, Stdio};

use oss_emulator::{EncryptionRule, Fault};

use crate::service::Service;

/// Starts one test, with `OSS_ACC=1`.
fn start(service: &Service, test: &str) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]);
    command.env_clear().envs(service.environment());
    for name in ["TERRAFORM", "TMPDIR"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command.env("OSS_ACC", "1").env("OSS_ACC_BUCKET", &service.bucket);
    command.env("OSS_ACC_OVERWRITE", "1");
    // Into a file: a pipe could be full while nobody reads it.
    let printed = fs::File::create(service.printed()).unwrap();
    command.stdout(Stdio::null()).stderr(printed).spawn().unwrap()
}

fn end(service: &Service, mut child: Child) -> (ExitStatus, String) {
    let status = child.wait().unwrap();
    (status, fs::read_to_string(service.printed()).unwrap())
}

#[test]
fn an_account_that_can_use_only_aes256_passes() {
    let Some(service) = Service::start_emulator() else { return };
    let emulator = service.emulator.as_ref().unwrap();
    for algorithm in ["KMS", "SM4"] {
        let fault = Fault::error_response(403, "KmsServiceNotEnabled").algorithm(algorithm);
        emulator.inject(fault.forever());
    }
    for found in [None, Some(EncryptionRule::new("AES256"))] {
        if let Some(rule) = &found {
            emulator.set_rule(&service.bucket, rule.clone());
        }
        let (status, printed) = end(&service, start(&service, "the_lifecycle_of_a_rule"));
        assert!(status.success(), "{printed}");
        let unusable = printed.matches(": KmsServiceNotEnabled").count();
        assert_eq!(unusable, 3, "{printed}");
        // Nothing else differs from what is expected of the emulator.
        assert!(!printed.contains("emulator ["), "{printed}");
        assert_eq!(emulator.rule(&service.bucket), found, "{printed}");
    }
}
