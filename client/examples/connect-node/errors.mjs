// Decodes why a call failed, with ConnectError.findDetails: node errors.mjs [QUESTION]
import { ConnectError } from '@connectrpc/connect';
import { collect } from './collector.mjs';
import { ask, codeName, printEnd, question, run, show, timeoutMs } from './common.mjs';
import { ErrorInfoSchema, RetryInfoSchema } from './gen/google/rpc/error_details_pb.js';
import { AttemptListSchema } from './gen/sluice/v1/gateway_pb.js';

function printDetails(error) {
  // Connect takes the message of the google.rpc.Status where there is one.
  console.log(`details: ${error.rawMessage}`);
  for (const info of error.findDetails(ErrorInfoSchema)) console.log(`reason: ${info.reason}`);
  for (const { retryDelay } of error.findDetails(RetryInfoSchema)) {
    // When to try again; without it, do not.
    console.log(`retry after: ${Number(retryDelay.seconds) * 1000 + Math.trunc(retryDelay.nanos / 1e6)} ms`);
  }
  for (const { attempts, omitted } of error.findDetails(AttemptListSchema)) {
    for (const attempt of attempts) {
      console.log(
        `attempt ${attempt.upstream}/${attempt.endpoint}: ${attempt.outcome}, ${attempt.errorClass}, ` +
          `HTTP ${attempt.httpStatus}, ${attempt.errorMessage}`,
      );
    }
    console.log(`attempts omitted: ${omitted}`);
  }
}

await run(async (client) => {
  try {
    const answer = await collect(client.streamChat(ask(question()), { timeoutMs }), show);
    console.log();
    printEnd(answer.end, answer.text());
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    console.log(`status: ${codeName(error.code)}`);
    const message = error.metadata.get('grpc-message'); // None where the gateway was not reached.
    console.log(`message: ${message === null ? error.rawMessage : decodeURIComponent(message)}`);
    if (error.details.length > 0) printDetails(error);
    process.exitCode = 1;
  }
});
