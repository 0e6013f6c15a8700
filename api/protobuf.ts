/** One field of a message of Protocol Buffers; null where its bytes are a number. */
type Field = { readonly number: number; readonly bytes: Buffer | null };

/** Text, bytes or a message. */
export function textField(number: number, content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([varint((number << 3) | 2), varint(bytes.length), bytes]);
}

export function numberField(number: number, value: number): Buffer {
  return Buffer.concat([varint(number << 3), varint(value)]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80);
  return Buffer.from([...bytes, rest]);
}

/** @throws Error for what is no such message. */
export function fieldsOf(message: Buffer): readonly Field[] {
  const fields: Field[] = [];
  let at = 0;
  const readVarint = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 0x80) {
      const byte = message[at];
      if (byte === undefined) throw new Error('the message ends too early');
      at += 1;
      value += (byte % 0x80) * factor;
      if (byte < 0x80) return value;
    }
  };
  while (at < message.length) {
    const tag = readVarint();
    const number = Math.floor(tag / 8);
    const kind = tag % 8;
    if (kind === 0) {
      readVarint();
      fields.push({ number, bytes: null });
      continue;
    }
    const length = kind === 2 ? readVarint() : FIXED[kind];
    if (length === undefined || at + length > message.length) throw new Error('no such field');
    fields.push({ number, bytes: kind === 2 ? message.subarray(at, at + length) : null });
    at += length;
  }
  return fields;
}

/** Of the kinds of field that have no length of their own. */
const FIXED: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

/** What stands under a number, as often as it does. */
export function bytesIn(message: Buffer, number: number): readonly Buffer[] {
  return fieldsOf(message).flatMap((field) =>
    field.number === number && field.bytes !== null ? [field.bytes] : [],
  );
}
