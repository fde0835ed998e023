// What the programs beside this file share: where the gateway is, and how they end.
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';

const here = path.dirname(fileURLToPath(import.meta.url));
const protos = process.env.SLUICE_PROTO ?? path.join(here, '../../../proto');

export const server = process.env.SLUICE_SERVER ?? '127.0.0.1:8443';
export const model = process.env.SLUICE_MODEL ?? 'chat';
// A deadline covers retries and failover too, and reaches the upstream. Never go without.
export const deadline = (seconds = 60) => Date.now() + seconds * 1000;

export const definition = protoLoader.loadSync(
  ['sluice/v1/gateway.proto', 'google/rpc/status.proto', 'google/rpc/error_details.proto'],
  {
    includeDirs: [protos, path.join(protos, 'third')],
    keepCase: true,
    longs: String,
    enums: String,
    oneofs: true,
    // 0 and "" are there, not undefined.
    defaults: true,
  },
);
export const { Gateway } = grpc.loadPackageDefinition(definition).sluice.v1;

// A client without TLS; tls.mjs has one with.
export const connect = () => new Gateway(server, grpc.credentials.createInsecure());

// The program's arguments, after the first `skip`.
export const question = (otherwise = 'Why is the sky blue?', skip = 0) =>
  process.argv.slice(2 + skip).join(' ') || otherwise;

export const user = (text) => ({ role: 'ROLE_USER', text });

// A request of one question.
export const ask = (text, fields = {}) => ({ model, messages: [user(text)], ...fields });

export const show = (text) => process.stdout.write(text);

export function printEnd(end, text) {
  const outcome = end.outcome.replace('OUTCOME_', '').toLowerCase();
  const characters = [...text].length;
  console.log(`end: ${outcome}, served by ${end.served_by}, ${end.attempts.length} attempts, ${characters} characters`);
  if (end.outcome === 'OUTCOME_FALLBACK') console.log(`a fallback, because: ${end.error.message}`);
}

// Runs a program; its failure is one line and exit status 1.
export async function run(main) {
  const client = connect();
  try {
    await main(client);
  } catch (error) {
    console.error(error.details !== undefined ? `${grpc.status[error.code]}: ${error.details}` : `error: ${error.message}`);
    process.exitCode = 1;
  } finally {
    client.close();
  }
}
