// Decodes why a call failed: node errors.mjs [QUESTION]
//
// grpc-js gives the details as bytes in the trailer grpc-status-details-bin: a
// google.rpc.Status, whose details are messages by name.
import grpc from '@grpc/grpc-js';
import { collect } from './collector.mjs';
import { ask, deadline, definition, printEnd, question, run, show } from './common.mjs';

const decode = (name, bytes) => definition[name].deserialize(bytes);

function printDetail({ type_url: url, value }) {
  const name = url.slice(url.lastIndexOf('/') + 1);
  if (!(name in definition)) return; // A kind that this program does not know.
  const detail = decode(name, value);
  if (name === 'google.rpc.ErrorInfo') {
    console.log(`reason: ${detail.reason}`);
  } else if (name === 'google.rpc.RetryInfo') {
    // When to try again; without it, do not.
    const { seconds, nanos } = detail.retry_delay;
    console.log(`retry after: ${Number(seconds) * 1000 + Math.trunc(nanos / 1e6)} ms`);
  } else if (name === 'sluice.v1.AttemptList') {
    for (const attempt of detail.attempts) {
      console.log(
        `attempt ${attempt.upstream}/${attempt.endpoint}: ${attempt.outcome}, ${attempt.error_class}, ` +
          `HTTP ${attempt.http_status}, ${attempt.error_message}`,
      );
    }
    console.log(`attempts omitted: ${detail.omitted}`);
  }
}

await run(async (client) => {
  try {
    const answer = await collect(client.StreamChat(ask(question()), { deadline: deadline() }), show);
    console.log();
    printEnd(answer.end, answer.text());
  } catch (error) {
    if (error.code === undefined) throw error;
    console.log(`status: ${grpc.status[error.code]}`);
    console.log(`message: ${error.details}`);
    const [bytes] = error.metadata?.get('grpc-status-details-bin') ?? []; // None where the gateway was not reached.
    if (bytes !== undefined) {
      const status = decode('google.rpc.Status', bytes);
      console.log(`details: ${status.message}`);
      status.details.forEach(printDetail);
    }
    process.exitCode = 1;
  }
});
