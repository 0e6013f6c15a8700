import type { Chance } from './chance.ts';

/** All of it is made up; the phones are noughts and a serial. */
// biome-ignore format: table, one shop per line
export const SHOPS = [
  { name: 'Duka la Mama Njeri', host: 'mama-njeri.example.test', share: 5, least: 50, most: 4_500, items: ['Unga 2 kg', 'Maziwa', 'Sukari 1 kg', 'Chai', 'Mchele 5 kg'] },
  { name: 'Savanna Threads', host: 'savanna-threads.example.test', share: 3, least: 800, most: 12_000, items: ['Kitenge dress', 'Kikoi', 'Linen shirt', 'Leather sandals'] },
  { name: 'Karibu Tours', host: 'karibu-tours.example.test', share: 2, least: 3_500, most: 95_000, items: ['Nairobi National Park, half a day', 'Hell’s Gate by bike', 'Mombasa, two nights', 'SGR transfer'] },
] as const;
export type Shop = (typeof SHOPS)[number];

// table
const FIRST = ['Wanjiku', 'Otieno', 'Achieng', 'Kiprop', 'Amina', 'Mutua', 'Njoroge', 'Halima'];
// table
const LAST = ['Kamau', 'Odhiambo', 'Wafula', 'Chebet', 'Hassan', 'Musyoka', 'Gathoni', 'Barasa'];
const PAYERS = 120;

export type Payer = {
  readonly id: string;
  readonly phone: string;
  readonly email: string | null;
  readonly name: string;
};

/** One of a shop's customers, who come again. */
export function choosePayer(chance: Chance): Payer {
  const serial = chance.between(20, PAYERS);
  const first = FIRST[serial % FIRST.length] ?? '';
  const last = LAST[Math.floor(serial / FIRST.length) % LAST.length] ?? '';
  return {
    id: `customer-${serial}`,
    phone: `+254700000${String(serial).padStart(3, '0')}`,
    email: serial % 3 === 0 ? `${first}.${last}@mail.example.test`.toLowerCase() : null,
    name: `${first} ${last}`,
  };
}
