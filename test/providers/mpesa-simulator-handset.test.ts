import { closeAll, type Desk, openDesk, send } from './mpesa-simulator-harness.ts';

/** The page with the phones: what a person sees, and what the buttons do. */
let desk: Desk;
beforeEach(async () => {
  desk = await openDesk({ settings: { answer_mode: 'manual', strictness: 'observed' } });
});
afterEach(closeAll);

const show = async (query = '') => (await send(`${desk.url}/${query}`, 'GET')).text;
async function ring(digits: string, AccountReference = 'ORDER-1'): Promise<void> {
  const phone = `2547000000${digits}`;
  const changes = { PartyA: phone, PhoneNumber: phone, AccountReference };
  expect((await desk.push(changes)).status).toBe(200);
}
/** Submits the form of a button as a browser does. */
async function pressOn(page: string, label: string) {
  const forms = page.matchAll(/<form method="post" action="([^"]+)">\s*<button[^>]*>([^<]+)</g);
  const form = [...forms].find(([, , text]) => text === label);
  const path = form?.[1]?.replaceAll('&amp;', '&');
  const type = { 'content-type': 'application/x-www-form-urlencoded' };
  return await send(`${desk.url}${path}`, 'POST', '', type);
}

describe('the handset', () => {
  it('says that no phone rings, and how phones answer by themselves', async () => {
    const { status, headers, text } = await send(`${desk.url}/`, 'GET');
    expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(text).toMatch(/^<!doctype html>[\s\S]*<\/html>$/);
    expect(text).toContain('No phone rings.');
    expect(text).toContain('<td>…03</td><td>has no funds (1)</td>');
  });

  it('shows what each payer is asked', async () => {
    await ring('99', 'TEA-42');
    const page = await show();
    expect(page).toContain('+254700000099');
    expect(page).toMatch(/Pay KES 100 to 174379,\s+account <b>TEA-42<\/b>\?/);
  });

  it('shows one phone only when asked to', async () => {
    await ring('98', 'OURS');
    await ring('99', 'OTHERS');
    const page = await show('?phone=254700000098');
    expect([page.includes('OURS'), page.includes('OTHERS')]).toEqual([true, false]);
  });

  it('takes nothing that a shop sends for markup', async () => {
    await ring('99', `<script>alert("1")</script>'&`);
    const page = await show();
    expect(page).not.toContain('<script');
    const quoted = '&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;&amp;';
    expect(page.split(quoted)).toHaveLength(3);
  });

  // biome-ignore format: table, one button per line
  it.each([
    ['Approve', '0', 1],
    ['Cancel', '1032', 0],
    ['Wrong PIN', '2001', 0],
    ['No funds', '1', 0],
    ['Unreachable', '1037', 0],
    ['Ignore', null, 0],
  ] as const)('has a button %s that ends in %s', async (label, code, charges) => {
    await ring('99');
    const { status, headers } = await pressOn(await show(), label);
    expect([status, headers.get('location')]).toEqual([302, '/']);
    const ledger = await desk.ledger();
    expect(ledger.prompts).toMatchObject([{ result_code: code }]);
    expect(ledger.charges).toHaveLength(charges);
    const page = await show();
    expect(page.includes('No phone rings.')).toBe(code !== null);
    expect(page).toContain(`<td>${code ?? 'rings'}</td>`);
  });

  it('switches who answers', async () => {
    const { status } = await pressOn(await show(), 'switch to auto');
    expect(status).toBe(302);
    expect(await show()).toContain('<b>by themselves</b>');
    await pressOn(await show(), 'switch to manual');
    expect(await show()).toContain('<b>by you</b>');
  });

  it('keeps the last twenty prompts in sight', async () => {
    for (let serial = 10; serial < 32; serial += 1) await ring(String(serial), `ORDER-${serial}`);
    const page = await show();
    const past = [...page.matchAll(/<td>ORDER-(\d\d)<\/td>/g)].map(([, serial]) => Number(serial));
    expect(past).toEqual(Array.from({ length: 20 }, (_, index) => 31 - index));
  });
});
