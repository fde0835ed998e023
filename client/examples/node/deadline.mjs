// Gives an answer a bound on time: node deadline.mjs SECONDS [QUESTION]
//
// The deadline travels with the call: the gateway plans its retries within it and ends
// the upstream's work when it is over.
import { collect } from './collector.mjs';
import { ask, deadline, printEnd, question, run, show } from './common.mjs';

await run(async (client) => {
  const seconds = Number(process.argv[2]);
  if (!(seconds > 0)) throw new Error('usage: deadline.mjs SECONDS [QUESTION]');
  const request = ask(question('Why is the sky blue?', 1));
  const answer = await collect(client.StreamChat(request, { deadline: deadline(seconds) }), show);
  console.log();
  printEnd(answer.end, answer.text());
});
