"""Calls for buckets, encryption rules and objects with oss2, the Python SDK V1, as in its documentation."""

import oss2
from oss2.models import ServerSideEncryptionRule

from protocol import encryption_headers, encryption_of, serve


class Client:
    def __init__(self, endpoint, region, signature, key_id, key_secret, token, bucket):
        if token is None:
            self.auth = oss2.make_auth(key_id, key_secret, signature)
        else:
            self.auth = oss2.StsAuth(key_id, key_secret, token, signature)
        self.options = {"endpoint": endpoint, "region": region}
        self.bucket = self.open(bucket)

    def open(self, name):
        return oss2.Bucket(self.auth, bucket_name=name, **self.options)

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

    def create_bucket(self, name):
        self.open(name).create_bucket()

    def remove_bucket(self, name):
        self.open(name).delete_bucket()

    def buckets(self):
        service = oss2.Service(self.auth, **self.options)
        return [bucket.name for bucket in oss2.BucketIterator(service, max_keys=1)]

    def about_bucket(self):
        info = self.bucket.get_bucket_info()
        location = self.bucket.get_bucket_location().location
        return {"location": location, "sse_algorithm": info.bucket_encryption_rule.sse_algorithm}

    def upload(self, key, content, rule):
        result = self.bucket.put_object(key, content, headers=encryption_headers(rule))
        return encryption_of(result.headers)

    def download(self, key):
        result = self.bucket.get_object(key)
        return {"content": result.read().decode(), **encryption_of(result.headers)}

    def head(self, key):
        return encryption_of(self.bucket.head_object(key).headers)

    def copy(self, source, key):
        return encryption_of(self.bucket.copy_object(self.bucket.bucket_name, source, key).headers)

    def exists(self, key):
        size = self.bucket.head_object(key).content_length if self.bucket.object_exists(key) else None
        return {"bucket": self.bucket_exists("demo"), "other": self.bucket_exists("other"), "size": size}

    def bucket_exists(self, name):
        try:
            self.open(name).get_bucket_info()
            return True
        except oss2.exceptions.NoSuchBucket:
            return False

    def part(self, key, first, last):
        return self.bucket.get_object(key, byte_range=(first, last)).read().decode()

    def remove_all(self, keys):
        return self.bucket.batch_delete_objects(keys).deleted_keys

    def keys_v1(self, prefix):
        return [found.key for found in oss2.ObjectIterator(self.bucket, prefix=prefix, max_keys=2)]

    def remove(self, key):
        self.bucket.delete_object(key)

    def keys(self, prefix):
        return [found.key for found in oss2.ObjectIteratorV2(self.bucket, prefix=prefix, max_keys=2)]


def describe(error):
    return {"class": type(error).__name__, "status": error.status, "code": error.code}


serve(Client, oss2.exceptions.ServerError, describe)
