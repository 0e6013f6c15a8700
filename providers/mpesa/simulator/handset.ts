import type { Ledger, Prompt } from './ledger.ts';
import { RULES } from './rules.ts';
import type { Settings } from './settings.ts';

const BUTTONS = [
  ['approve', 'Approve'],
  ['cancel', 'Cancel'],
  ['wrong_pin', 'Wrong PIN'],
  ['no_funds', 'No funds'],
  ['unreachable', 'Unreachable'],
  ['ignore', 'Ignore'],
] as const;

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 0 auto; max-width: 60rem; padding: 1rem }
h1 { font-size: 1.3rem } h2 { font-size: 1rem; margin-top: 2rem }
.phones { display: flex; flex-wrap: wrap; gap: 1rem }
.phone { border: 2px solid #2a7a3b; border-radius: 1.5rem; padding: 1rem; width: 17rem }
.phone .who { font-size: .85rem; opacity: .7 } .phone .ask { font-size: 1.1rem; margin: .7rem 0 }
form { display: inline } button { font: inherit; margin: .2rem; padding: .4rem .8rem;
  border-radius: .8rem; border: 1px solid #8888; cursor: pointer }
button.approve { background: #2a7a3b; color: #fff }
table { border-collapse: collapse; width: 100%; font-size: .9rem }
td, th { border-bottom: 1px solid #8884; padding: .3rem .5rem; text-align: left }`;

/** The virtual handset: what rings, the buttons a person would press, and what happened. */
export function renderHandset(ledger: Ledger, settings: Settings, phone: string | null): string {
  const prompts = [...ledger.prompts.values()].filter((it) => phone === null || it.phone === phone);
  const live = prompts.filter((it) => it.state === 'ringing');
  const past = prompts.slice(-20).reverse();
  const other = settings.answer_mode === 'auto' ? 'manual' : 'auto';
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>M-Pesa handset</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="2"><style>${STYLE}</style></head><body>
<h1>M-Pesa handset</h1>
<p>Prompts are answered <b>${settings.answer_mode === 'auto' ? 'by themselves' : 'by you'}</b>.
<form method="post" action="/simulator/settings/answer-mode?to=${other}">
<button>switch to ${other}</button></form></p>
<div class="phones">${live.map(renderPhone).join('') || '<p>No phone rings.</p>'}</div>
<h2>The last prompts</h2><table><tr><th>phone</th><th>amount</th><th>account</th><th>result</th>
<th>at</th></tr>${past.map(renderPast).join('')}</table>
<h2>Phones that answer by themselves, by their last digits</h2>
<table>${RULES.map((it) => `<tr><td>…${it.digits}</td><td>${it.what}</td></tr>`).join('')}
<tr><td>any other</td><td>approves</td></tr></table></body></html>`;
}

function renderPhone(prompt: Prompt): string {
  const path = `/simulator/prompts/${encodeURIComponent(prompt.checkout_request_id)}/answer`;
  const buttons = BUTTONS.map(
    ([answer, label]) =>
      `<form method="post" action="${path}?answer=${answer}&amp;back=1">` +
      `<button class="${answer}">${label}</button></form>`,
  );
  return `<div class="phone"><div class="who">+${quote(prompt.phone)}</div>
<div class="ask">Pay KES ${prompt.amount} to ${quote(prompt.short_code)},
account <b>${quote(prompt.account_reference)}</b>?</div>${buttons.join('')}</div>`;
}

function renderPast({ phone, amount, account_reference, result_code, created_at }: Prompt): string {
  const cells = [phone, `KES ${amount}`, account_reference, result_code ?? 'rings', created_at];
  return `<tr>${cells.map((cell) => `<td>${quote(cell)}</td>`).join('')}</tr>`;
}

function quote(text: string): string {
  const marks: Record<string, string> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (mark) => marks[mark] ?? mark);
}
