// Ends calls early, in both ways: node cancel.mjs [QUESTION]
//
// Leaving a `for await` tells the server nothing: Connect ends a call only by its
// AbortController, so the model writes on, and somebody pays. So: an AbortController for
// each call, aborted in place of `break`; the loop then ends by itself. (A `break` after
// abort() tells the server too, but leaves Connect's timer for timeoutMs behind, and a
// program does not exit before it.)
import { collect } from './collector.mjs';
import { ask, codeName, printEnd, question, run, show, timeoutMs } from './common.mjs';

// As a stop button would: the loop goes on until the status comes.
async function cancelledFromOutside(client) {
  const controller = new AbortController();
  let shown;
  try {
    await collect(client.streamChat(ask(question()), { timeoutMs, signal: controller.signal }), (text) => {
      shown = text;
      controller.abort(); // From anywhere.
    });
  } catch (error) {
    console.log(`cancelled after "${shown}": ${codeName(error.code)}`);
  }
}

async function leavesTheLoop(client) {
  const controller = new AbortController();
  try {
    for await (const { events } of client.streamChat(ask(question()), { timeoutMs, signal: controller.signal })) {
      const text = events.map(({ kind }) => (kind.case === 'content' ? kind.value.text : '')).join('');
      if (text) {
        console.log(`left the loop after "${text}"`);
        controller.abort();
      }
    }
  } catch (error) {
    if (!controller.signal.aborted) throw error;
  } finally {
    controller.abort(); // Of a call that has ended: nothing.
  }
}

await run(async (client) => {
  await cancelledFromOutside(client);
  await leavesTheLoop(client);
  // Only the calls are over: the connection goes on.
  const answer = await collect(client.streamChat(ask(question()), { timeoutMs }), show);
  console.log();
  printEnd(answer.end, answer.text());
});
