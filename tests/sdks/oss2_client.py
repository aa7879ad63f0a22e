"""Bucket encryption through oss2, the first SDK for Python, as its documentation shows it."""

import oss2
from oss2.models import ServerSideEncryptionRule

from protocol import serve


class Client:
    def __init__(self, endpoint, region, signature, key_id, key_secret, token, bucket):
        if token is None:
            auth = oss2.make_auth(key_id, key_secret, signature)
        else:
            auth = oss2.StsAuth(key_id, key_secret, token, signature)
        self.bucket = oss2.Bucket(auth, endpoint, bucket, region=region)

    def put(self, sse_algorithm, kms_master_key_id, kms_data_encryption):
        rule = ServerSideEncryptionRule()
        rule.sse_algorithm = sse_algorithm
        rule.kms_master_keyid = kms_master_key_id
        rule.kms_data_encryption = kms_data_encryption
        self.bucket.put_bucket_encryption(rule)

    def get(self):
        rule = self.bucket.get_bucket_encryption()
        return {
            "sse_algorithm": rule.sse_algorithm,
            "kms_master_key_id": rule.kms_master_keyid,
            "kms_data_encryption": rule.kms_data_encryption,
        }

    def delete(self):
        self.bucket.delete_bucket_encryption()


def describe(error):
    return {"class": type(error).__name__, "status": error.status, "code": error.code}


serve(Client, oss2.exceptions.ServerError, describe)
