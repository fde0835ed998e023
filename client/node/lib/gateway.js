// The stub of proto/sluice/v1/gateway.proto, read when this file is; and how to connect.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';

const protos = path.join(path.dirname(fileURLToPath(import.meta.url)), '../proto');

// Names as the proto has them; 0, "" and [] are there, and a message that is not set is null.
export const definition = protoLoader.loadSync(
  ['sluice/v1/gateway.proto', 'google/rpc/status.proto', 'google/rpc/error_details.proto'],
  { includeDirs: [protos], keepCase: true, longs: String, enums: String, oneofs: true, defaults: true },
);

export const { Gateway } = grpc.loadPackageDefinition(definition).sluice.v1;

// gRPC's own 4 MiB is less than a route may let an answer of Chat or Embed be.
const MAX_RECEIVE_BYTES = 64 << 20;

// A stub for "host:port". TLS with `tls`, or with any of the three in PEM: `ca`, whom to
// trust in place of Node's own list; `cert` and `key`, who the caller is.
export function connect(address, { tls = false, ca, cert, key, options = {} } = {}) {
  const buffer = (pem) => (pem ? Buffer.from(pem) : null);
  const secure = tls || ca || cert;
  const credentials = secure
    ? grpc.credentials.createSsl(buffer(ca), buffer(key), buffer(cert))
    : grpc.credentials.createInsecure();
  return new Gateway(address, credentials, { 'grpc.max_receive_message_length': MAX_RECEIVE_BYTES, ...options });
}
