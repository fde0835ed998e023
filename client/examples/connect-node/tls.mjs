// Speaks TLS: SLUICE_CA=ca.pem node tls.mjs [QUESTION]
import { readFile } from 'node:fs/promises';
import { collect } from './collector.mjs';
import { ask, printEnd, question, run, server, show, timeoutMs } from './common.mjs';

// Without SLUICE_CA the roots that come with Node.js.
const ca = process.env.SLUICE_CA ? await readFile(process.env.SLUICE_CA) : undefined;

await run(
  async (client) => {
    const answer = await collect(client.streamChat(ask(question()), { timeoutMs }), show);
    console.log();
    printEnd(answer.end, answer.text());
  },
  `https://${server}`,
  { ca },
);
