//! The XML of an encryption rule.

use std::hint::black_box;

use terraform_provider_oss::oss::EncryptionRule;

use super::Call;

const RULE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ServerSideEncryptionRule>\
    <ApplyServerSideEncryptionByDefault><SSEAlgorithm>KMS</SSEAlgorithm>\
    <KMSMasterKeyID>9468da86-3509-4f8d-a61e-6eab1eac0001</KMSMasterKeyID>\
    </ApplyServerSideEncryptionByDefault></ServerSideEncryptionRule>";

pub(super) fn read() -> Call {
    Box::new(|| {
        black_box(EncryptionRule::from_xml(black_box(RULE.as_bytes())).unwrap());
    })
}

pub(super) fn write() -> Call {
    let rule = EncryptionRule::from_xml(RULE.as_bytes()).unwrap();
    Box::new(move || {
        black_box(black_box(&rule).to_xml());
    })
}
