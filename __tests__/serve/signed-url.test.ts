import { describe, expect, test } from '@jest/globals';
import { Signer } from '../../lib/internal/signature.js';
import { canonicalText, type SignedLink, secondsLeft, signedQuery } from '../../lib/serve/signed-url.js';
import { parseTarget } from '../../lib/serve/target.js';

const NOW = Date.UTC(2026, 0, 1);
const EXPIRES = String(NOW / 1000 + 60);
const LINK: SignedLink = {
  storage: 'files',
  id: 'id',
  filename: undefined,
  download: false,
  variant: undefined,
  expires: EXPIRES,
};

const signer = new Signer(['a secret of more than thirty-two bytes']);
const other = new Signer(['another secret of more than thirty-two bytes']);
const sign = (text: string) => signer.sign(text);
const isSigned = (text: string, signature: string) => signer.verify(text, signature);

const QUERY = signedQuery(LINK, sign);
const DOWNLOAD_QUERY = signedQuery({ ...LINK, download: true }, sign);
const VARIANT_QUERY = signedQuery({ ...LINK, variant: 'small' }, sign);
const SIGNATURE = new URLSearchParams(QUERY).get('signature');

function left(target: string, now = NOW): number | undefined {
  return secondsLeft(parseTarget(target), isSigned, now);
}

describe('what is signed', () => {
  test('is all that changes the answer', () => {
    expect(canonicalText(LINK)).toBe(`["filedepot URL 1","files","id","","inline","${EXPIRES}"]`);
    const variants: Partial<SignedLink>[] = [
      { storage: 'other' },
      { id: 'other' },
      { filename: 'a.txt' },
      { download: true },
      { variant: 'small' },
      { variant: '' },
      { expires: '1' },
      { storage: 'file', id: 'sid' },
      { storage: 'files","id', id: '' },
    ];
    const texts = [LINK, ...variants.map((variant) => ({ ...LINK, ...variant }))].map(canonicalText);
    expect(new Set(texts).size).toBe(variants.length + 1);
  });

  test('goes to the query', () => {
    expect(QUERY).toMatch(new RegExp(`^expires=${EXPIRES}&signature=[\\w-]{43}$`));
    expect(VARIANT_QUERY).toMatch(new RegExp(`^variant=small&expires=${EXPIRES}&signature=[\\w-]{43}$`));
    expect(DOWNLOAD_QUERY).toMatch(new RegExp(`^download&expires=${EXPIRES}&signature=[\\w-]{43}$`));
  });
});

describe('works', () => {
  test.each([
    ['as it was given', `/files/id?${QUERY}`],
    ['as a variant', `/files/id?${VARIANT_QUERY}`],
    ['as a download', `/files/id?${DOWNLOAD_QUERY}`],
    ['in another order', `/files/id?signature=${SIGNATURE}&expires=${EXPIRES}`],
    ['encoded in another way', `/%66iles/%69d?%65xpires=${EXPIRES}&signature=${SIGNATURE}`],
    ['with what others add to it', `/files/id?utm_source=mail&${QUERY}&fbclid=x&fbclid=y`],
    ['with a name', `/files/id/a%C3%A9.txt?${signedQuery({ ...LINK, filename: 'aé.txt' }, sign)}`],
  ])('%s', (_how, target) => {
    expect(left(target)).toBe(60);
    expect(left(target, NOW + 59_999)).toBeCloseTo(0.001);
  });

  test('without a signature nothing is told', () => {
    expect(left('/files/id')).toBeUndefined();
    expect(left(`/files/id?expires=${EXPIRES}&download`)).toBeUndefined();
  });
});

describe('does not work', () => {
  test.each([
    ['another storage', `/other/id?${QUERY}`],
    ['another file', `/files/other?${QUERY}`],
    ['a name that was not signed', `/files/id/a.txt?${QUERY}`],
    ['another name', `/files/id/b.txt?${signedQuery({ ...LINK, filename: 'a.txt' }, sign)}`],
    ['a name that is missing', `/files/id?${signedQuery({ ...LINK, filename: 'a.txt' }, sign)}`],
    ['a download', `/files/id?download&${QUERY}`],
    ['a download, encoded', `/files/id?%64ownload=1&${QUERY}`],
    ['no download', `/files/id?${DOWNLOAD_QUERY.replace('download&', '')}`],
    ['a variant that was not signed', `/files/id?variant=small&${QUERY}`],
    ['a variant that is empty', `/files/id?variant=&${QUERY}`],
    ['another variant', `/files/id?${VARIANT_QUERY.replace('small', 'large')}`],
    ['no variant', `/files/id?${VARIANT_QUERY.replace('variant=small&', '')}`],
    ['two variants', `/files/id?${VARIANT_QUERY}&variant=large`],
    ['a later expiry', `/files/id?expires=${Number(EXPIRES) + 1}&signature=${SIGNATURE}`],
    ['an earlier expiry', `/files/id?expires=1&signature=${SIGNATURE}`],
    ['another form of the expiry', `/files/id?expires=0${EXPIRES}&signature=${SIGNATURE}`],
    ['an expiry with a blank', `/files/id?expires=+${EXPIRES}&signature=${SIGNATURE}`],
    ['no number', `/files/id?expires=never&signature=${SIGNATURE}`],
    ['no expiry', `/files/id?signature=${SIGNATURE}`],
    ['two expiries', `/files/id?expires=${EXPIRES}&${QUERY}`],
    ['two signatures', `/files/id?${QUERY}&signature=${SIGNATURE}`],
    ['another signature first', `/files/id?signature=x&${QUERY}`],
    ['two downloads', `/files/id?download&${DOWNLOAD_QUERY}`],
    ['an empty signature', `/files/id?expires=${EXPIRES}&signature=`],
    ['a signature without its end', `/files/id?${QUERY.slice(0, -1)}`],
    ['a longer signature', `/files/id?${QUERY}x`],
    ['a signature in small letters', `/files/id?expires=${EXPIRES}&signature=${SIGNATURE?.toLowerCase()}`],
    ['a signature that is not well encoded', `/files/id?expires=${EXPIRES}&signature=%E0%A4%A`],
    ['an endless signature', `/files/id?expires=${EXPIRES}&signature=${'x'.repeat(60_000)}`],
    ['another key', `/files/id?${signedQuery(LINK, (text) => other.sign(text))}`],
    ['another text', `/files/id?expires=${EXPIRES}&signature=${sign('text')}`],
  ])('with %s', (_change, target) => {
    expect(() => left(target)).toThrow(expect.objectContaining({ code: 'URL_INVALID', status: 403 }));
  });

  test('when its time is over', () => {
    for (const now of [NOW + 60_000, NOW + 60_001, NOW + 1e12]) {
      expect(() => left(`/files/id?${QUERY}`, now)).toThrow(
        expect.objectContaining({ code: 'URL_EXPIRED', status: 403 }),
      );
    }
  });

  test('and an altered one does not tell whether its time is over', () => {
    expect(() => left(`/files/other?${QUERY}`, NOW + 1e9)).toThrow(
      expect.objectContaining({ code: 'URL_INVALID' }),
    );
  });
});
