// Ends calls early, in both ways: node cancel.mjs [QUESTION]
//
// Leaving a `for await` is not enough: grpc-js closes its end of the stream and never
// tells the server, so the model writes on, and somebody pays. So: call.cancel()
// wherever the loop may be left.
import grpc from '@grpc/grpc-js';
import { collect } from './collector.mjs';
import { ask, deadline, printEnd, question, run, show } from './common.mjs';

// As a stop button would: the loop goes on until the status comes.
async function cancelledFromOutside(client) {
  const call = client.StreamChat(ask(question()), { deadline: deadline() });
  let shown;
  try {
    await collect(call, (text) => {
      shown = text;
      call.cancel(); // From anywhere.
    });
  } catch (error) {
    console.log(`cancelled after "${shown}": ${grpc.status[error.code]}`);
  }
}

async function leavesTheLoop(client) {
  const call = client.StreamChat(ask(question()), { deadline: deadline() });
  // After cancel() the call still reports its status, CANCELLED, when nobody reads any more.
  call.on('error', () => {});
  try {
    for await (const { events } of call) {
      const text = events.map((event) => event.content?.text ?? '').join('');
      if (text) {
        console.log(`left the loop after "${text}"`);
        break;
      }
    }
  } finally {
    call.cancel(); // Of a call that has ended: nothing.
  }
}

await run(async (client) => {
  await cancelledFromOutside(client);
  await leavesTheLoop(client);
  // Only the calls are over: the channel goes on.
  const answer = await collect(client.StreamChat(ask(question()), { deadline: deadline() }), show);
  console.log();
  printEnd(answer.end, answer.text());
});
