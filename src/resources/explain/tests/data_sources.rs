//! Diagnostics about data sources and scans of the account.

use super::*;

#[test]
fn scan_errors() {
    let get = |error| Error { operation: Operation::GetBucketEncryption, ..error };
    let denied = || get(returned(403, "AccessDenied", "You have no right to access this object."));
    let timed_out = || get(error(ErrorKind::DeadlineExceeded { last: None }));
    let name = BucketName::parse("My").unwrap_err();
    let errors = [
        ScanError::Call(Box::new(denied())),
        ScanError::Call(Box::new(get(returned(404, "NoSuchBucket", "The bucket does not exist.")))),
        ScanError::Call(Box::new(get(returned(409, "SomethingNew", "This code is not known.")))),
        ScanError::Call(Box::new(timed_out())),
        ScanError::RegionUnresponsive,
        ScanError::InvalidName(name),
    ];
    let values = errors
        .iter()
        .map(|error| Diagnostic::warning("The value of `error`", scan_error_without_ids(error)));
    let paragraphs =
        errors.iter().map(|error| Diagnostic::warning("A paragraph", scan_error(error)));
    let errors = [
        data_source_error(&get(returned(404, "NoSuchBucket", "The bucket does not exist."))),
        data_source_error(&denied()),
        data_source_error(&timed_out()),
        scan_failed(&timed_out(), 368),
        scan_failed(&get(error(ErrorKind::Cancelled)), 368),
        list_failed(&get(error(ErrorKind::Cancelled)), 1),
    ];
    check!(errors.into_iter().chain(values).chain(paragraphs));
}
