"""Calls for buckets, encryption rules and objects with alibabacloud-oss-v2, the Python SDK V2, as in its
documentation."""

import alibabacloud_oss_v2 as oss

from protocol import encryption_of, serve


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

    def create_bucket(self, name):
        self.client.put_bucket(oss.PutBucketRequest(bucket=name))

    def remove_bucket(self, name):
        self.client.delete_bucket(oss.DeleteBucketRequest(bucket=name))

    def buckets(self):
        pages = self.client.list_buckets_paginator().iter_page(oss.ListBucketsRequest(max_keys=1))
        return [bucket.name for page in pages for bucket in page.buckets]

    def about_bucket(self):
        info = self.client.get_bucket_info(oss.GetBucketInfoRequest(bucket=self.bucket)).bucket_info
        location = self.client.get_bucket_location(oss.GetBucketLocationRequest(bucket=self.bucket)).location
        algorithm = info.sse_rule.sse_algorithm
        return {"location": location, "sse_algorithm": None if algorithm == "None" else algorithm}

    def upload(self, key, content, rule):
        result = self.client.put_object(oss.PutObjectRequest(
            bucket=self.bucket,
            key=key,
            body=content.encode(),
            server_side_encryption=rule and rule["sse_algorithm"],
            server_side_encryption_key_id=rule and rule["kms_master_key_id"],
            server_side_data_encryption=rule and rule["kms_data_encryption"],
        ))
        return encryption_of(result.headers)

    def download(self, key):
        result = self.client.get_object(oss.GetObjectRequest(bucket=self.bucket, key=key))
        return {"content": result.body.read().decode(), **encryption_of(result.headers)}

    def head(self, key):
        result = self.client.head_object(oss.HeadObjectRequest(bucket=self.bucket, key=key))
        return encryption_of(result.headers)

    def copy(self, source, key):
        request = oss.CopyObjectRequest(bucket=self.bucket, key=key, source_key=source)
        return encryption_of(self.client.copy_object(request).headers)

    def exists(self, key):
        size = None
        if self.client.is_object_exist(self.bucket, key):
            size = self.client.head_object(oss.HeadObjectRequest(bucket=self.bucket, key=key)).content_length
        return {
            "bucket": self.client.is_bucket_exist("demo"),
            "other": self.client.is_bucket_exist("other"),
            "size": size,
        }

    def part(self, key, first, last):
        request = oss.GetObjectRequest(bucket=self.bucket, key=key, range_header=f"bytes={first}-{last}")
        return self.client.get_object(request).body.read().decode()

    def remove_all(self, keys):
        objects = [oss.DeleteObject(key=key) for key in keys]
        request = oss.DeleteMultipleObjectsRequest(bucket=self.bucket, objects=objects)
        return [found.key for found in self.client.delete_multiple_objects(request).deleted_objects]

    def keys_v1(self, prefix):
        request = oss.ListObjectsRequest(bucket=self.bucket, prefix=prefix, max_keys=2)
        pages = self.client.list_objects_paginator().iter_page(request)
        return [found.key for page in pages for found in page.contents or []]

    def remove(self, key):
        self.client.delete_object(oss.DeleteObjectRequest(bucket=self.bucket, key=key))

    def keys(self, prefix):
        request = oss.ListObjectsV2Request(bucket=self.bucket, prefix=prefix, max_keys=2)
        pages = self.client.list_objects_v2_paginator().iter_page(request)
        return [found.key for page in pages for found in page.contents or []]


def describe(error):
    service = error.unwrap()
    if not isinstance(service, oss.exceptions.ServiceError):
        raise error  # There was no response, which no test expects.
    return {"class": type(service).__name__, "status": service.status_code, "code": service.code}


serve(Client, oss.exceptions.OperationError, describe)
