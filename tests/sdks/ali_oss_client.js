// Calls for buckets, encryption rules and objects with ali-oss, the Node.js SDK, as in its documentation.
//
// Reads calls as lines of JSON from standard input, and writes one line of JSON per call to standard output.
'use strict';

const readline = require('node:readline');
const OSS = require('ali-oss');

// The fields of a rule, and the corresponding headers of an object.
const HEADERS = {
  sse_algorithm: 'x-oss-server-side-encryption',
  kms_master_key_id: 'x-oss-server-side-encryption-key-id',
  kms_data_encryption: 'x-oss-server-side-data-encryption',
};

const encryptionHeaders = (rule) => Object.fromEntries(
  Object.entries(rule || {}).filter(([, value]) => value !== null).map(([name, value]) => [HEADERS[name], value]),
);

const encryptionOf = (headers) => Object.fromEntries(
  Object.entries(HEADERS).map(([name, header]) => [name, headers[header] ?? null]),
);

class Client {
  constructor({ endpoint, region, signature, key_id, key_secret, token, bucket }) {
    this.bucket = bucket;
    this.client = new OSS({
      endpoint,
      region: `oss-${region}`,
      authorizationV4: signature === 'v4',
      accessKeyId: key_id,
      accessKeySecret: key_secret,
      stsToken: token ?? undefined,
      bucket,
    });
  }

  async put({ sse_algorithm, kms_master_key_id }) {
    await this.client.putBucketEncryption(this.bucket, {
      SSEAlgorithm: sse_algorithm,
      KMSMasterKeyID: kms_master_key_id ?? undefined,
    });
  }

  async get() {
    const { encryption } = await this.client.getBucketEncryption(this.bucket);
    return {
      sse_algorithm: encryption.SSEAlgorithm,
      kms_master_key_id: encryption.KMSMasterKeyID ?? null,
      kms_data_encryption: encryption.KMSDataEncryption ?? null,
    };
  }

  async delete() {
    await this.client.deleteBucketEncryption(this.bucket);
  }

  async create_bucket({ name }) {
    await this.client.putBucket(name);
  }

  async remove_bucket({ name }) {
    await this.client.deleteBucket(name);
  }

  async buckets() {
    const names = [];
    let marker;
    do {
      const page = await this.client.listBuckets({ 'max-keys': 1, ...(marker && { marker }) });
      names.push(...(page.buckets || []).map(({ name }) => name));
      marker = page.isTruncated ? page.nextMarker : undefined;
    } while (marker);
    return names;
  }

  async about_bucket() {
    const { bucket } = await this.client.getBucketInfo(this.bucket);
    const { location } = await this.client.getBucketLocation(this.bucket);
    const algorithm = bucket.ServerSideEncryptionRule.SSEAlgorithm;
    return { location, sse_algorithm: algorithm === 'None' ? null : algorithm };
  }

  async upload({ key, content, rule }) {
    const result = await this.client.put(key, Buffer.from(content), { headers: encryptionHeaders(rule) });
    return encryptionOf(result.res.headers);
  }

  async download({ key }) {
    const result = await this.client.get(key);
    return { content: result.content.toString(), ...encryptionOf(result.res.headers) };
  }

  async head({ key }) {
    return encryptionOf((await this.client.head(key)).res.headers);
  }

  async copy({ source, key }) {
    return encryptionOf((await this.client.copy(key, source)).res.headers);
  }

  async exists({ key }) {
    const size = async () => Number((await this.client.head(key)).res.headers['content-length']);
    const found = await this.client.getObjectMeta(key).then(size, () => null);
    return { bucket: await this.bucketExists('demo'), other: await this.bucketExists('other'), size: found };
  }

  async bucketExists(name) {
    return this.client.getBucketInfo(name).then(() => true, (error) => {
      if (error.code !== 'NoSuchBucket') throw error;
      return false;
    });
  }

  async part({ key, first, last }) {
    const result = await this.client.get(key, { headers: { Range: `bytes=${first}-${last}` } });
    return result.content.toString();
  }

  async remove_all({ keys }) {
    return (await this.client.deleteMulti(keys)).deleted.map(({ Key }) => Key);
  }

  async keys_v1({ prefix }) {
    const keys = [];
    let marker;
    do {
      const page = await this.client.list({ 'max-keys': 2, ...(prefix && { prefix }), ...(marker && { marker }) });
      keys.push(...(page.objects || []).map(({ name }) => name));
      marker = page.isTruncated ? page.nextMarker : undefined;
    } while (marker);
    return keys;
  }

  async remove({ key }) {
    await this.client.delete(key);
  }

  async keys({ prefix }) {
    const keys = [];
    let token;
    do {
      const page = await this.client.listV2({
        'max-keys': 2,
        // This SDK signs an empty value as `prefix=`, the others as `prefix`.
        ...(prefix && { prefix }),
        ...(token && { 'continuation-token': token }),
      });
      keys.push(...(page.objects || []).map(({ name }) => name));
      token = page.isTruncated ? page.nextContinuationToken : undefined;
    } while (token);
    return keys;
  }
}

async function main() {
  let client;
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { call, ...given } = JSON.parse(line);
    let response = { result: null };
    try {
      if (call === 'connect') {
        client = new Client(given);
      } else {
        response.result = (await client[call](given)) ?? null;
      }
    } catch (error) {
      // Errors without a response are not expected by any test: they end the process.
      if (!error.status || error.status < 0) throw error;
      response = { error: { class: error.name, status: error.status, code: error.code } };
    }
    process.stdout.write(`${JSON.stringify(response)}\n`);
  }
}

main();
