// What the programs beside this file share: where the gateway is, and how they end.
import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { Http2SessionManager, createGrpcTransport } from '@connectrpc/connect-node';
import { ChatRequestSchema, Gateway, MessageSchema, Outcome, Role } from './gen/sluice/v1/gateway_pb.js';

export const server = process.env.SLUICE_SERVER ?? '127.0.0.1:8443';
export const model = process.env.SLUICE_MODEL ?? 'chat';
// A deadline covers retries and failover too, and reaches the upstream. Never go without.
export const timeoutMs = 60_000;

// The program's arguments, after the first `skip`.
export const question = (otherwise = 'Why is the sky blue?', skip = 0) =>
  process.argv.slice(2 + skip).join(' ') || otherwise;

export const user = (text) => create(MessageSchema, { role: Role.USER, text });

// A request of one question.
export const ask = (text, fields = {}) => create(ChatRequestSchema, { model, messages: [user(text)], ...fields });

export const show = (text) => process.stdout.write(text);

export function printEnd(end, text) {
  const outcome = Outcome[end.outcome].toLowerCase();
  const characters = [...text].length;
  console.log(`end: ${outcome}, served by ${end.servedBy}, ${end.attempts.length} attempts, ${characters} characters`);
  if (end.outcome === Outcome.FALLBACK) console.log(`a fallback, because: ${end.error.message}`);
}

// A code as gRPC's documents write it; Connect spells one otherwise.
export const codeName = (code) =>
  code === Code.Canceled ? 'CANCELLED' : Code[code].replace(/(?!^)([A-Z])/g, '_$1').toUpperCase();

// Runs a program without TLS (tls.mjs has one with); its failure is one line and exit status 1.
export async function run(main, baseUrl = `http://${server}`, nodeOptions = {}) {
  // gRPC's own protocol: the gateway speaks no other.
  const sessionManager = new Http2SessionManager(baseUrl, {}, nodeOptions);
  try {
    await main(createClient(Gateway, createGrpcTransport({ baseUrl, sessionManager })));
  } catch (error) {
    const failed = error instanceof ConnectError;
    console.error(failed ? `${codeName(error.code)}: ${error.rawMessage}` : `error: ${error.message}`);
    process.exitCode = 1;
  } finally {
    sessionManager.abort();
  }
}
