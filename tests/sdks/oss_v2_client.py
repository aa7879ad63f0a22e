"""Bucket encryption through alibabacloud-oss-v2, the second SDK for Python, as its documentation shows it."""

import alibabacloud_oss_v2 as oss

from protocol import serve


class Client:
    def __init__(self, endpoint, region, signature, key_id, key_secret, token, bucket):
        config = oss.config.load_default()
        config.credentials_provider = oss.credentials.StaticCredentialsProvider(key_id, key_secret, token)
        config.region = region
        config.endpoint = endpoint
        config.signature_version = signature
        self.client = oss.Client(config)
        self.bucket = bucket

    def put(self, sse_algorithm, kms_master_key_id, kms_data_encryption):
        self.client.put_bucket_encryption(oss.PutBucketEncryptionRequest(
            bucket=self.bucket,
            server_side_encryption_rule=oss.ServerSideEncryptionRule(
                apply_server_side_encryption_by_default=oss.ApplyServerSideEncryptionByDefault(
                    sse_algorithm=sse_algorithm,
                    kms_master_key_id=kms_master_key_id,
                    kms_data_encryption=kms_data_encryption,
                ),
            ),
        ))

    def get(self):
        result = self.client.get_bucket_encryption(oss.GetBucketEncryptionRequest(bucket=self.bucket))
        rule = result.server_side_encryption_rule.apply_server_side_encryption_by_default
        return {
            "sse_algorithm": rule.sse_algorithm,
            "kms_master_key_id": rule.kms_master_key_id,
            "kms_data_encryption": rule.kms_data_encryption,
        }

    def delete(self):
        self.client.delete_bucket_encryption(oss.DeleteBucketEncryptionRequest(bucket=self.bucket))


def describe(error):
    service = error.unwrap()
    if not isinstance(service, oss.exceptions.ServiceError):
        raise error  # The call got no answer: that is no result.
    return {"class": type(service).__name__, "status": service.status_code, "code": service.code}


serve(Client, oss.exceptions.OperationError, describe)
