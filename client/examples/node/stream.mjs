// Streams an answer: node stream.mjs [QUESTION]
import { collect } from './collector.mjs';
import { ask, deadline, printEnd, question, run, show } from './common.mjs';

await run(async (client) => {
  // A cut stream may begin anew; without this it fails.
  const request = ask(question(), { stream_options: { allow_restart: true } });
  const answer = await collect(client.StreamChat(request, { deadline: deadline() }), show);
  console.log();
  printEnd(answer.end, answer.text());
});
