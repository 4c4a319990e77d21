/**
 * JSON texts and what RFC 8259 says of them, in the three categories of Nicolas Seriot's JSONTestSuite:
 * a parser must accept, must refuse, or may do either. Written from the grammar, class by class; the
 * conformance test runs them all, and the fuzzer takes them as material.
 *
 * Texts are UTF-8; where bytes matter that are none, a Buffer stands for the text.
 */

export type JsonText = string | Buffer;

const bytes = (latin1: string): Buffer => Buffer.from(latin1, 'latin1');
const { raw } = String;

const LITERALS_AND_STRUCTURE: readonly JsonText[] = [
  ...['true', 'false', 'null', '42', '-0.1', '"asd"', '""', '[]', '{}', ' [] ', '[]\n', '\t{}\r\n'],
  ...[
    '[[]   ]',
    '[""]',
    '[false]',
    '[true]',
    '[null]',
    '[1\n]',
    ' [1]',
    '[2] ',
    '[null, 1, "1", {}]',
  ],
  ...[
    '[1,null,null,null,2]',
    '[[[[[]]]]]',
    '{"a":{"b":{"c":[{}]}}}',
    '[{},[],{}]',
    ' \t\r\n1 \t\r\n',
  ],
];

const NUMBERS: readonly JsonText[] = [
  ...['[0]', '[-0]', '[-1]', '[-123]', '[123]', '[ 4]', '[0e1]', '[0e+1]', '[0E-1]', '[-0e0]'],
  ...['[1E22]', '[1E-2]', '[1E+2]', '[123e45]', '[123.456e78]', '[1e-2]', '[1e+2]', '[123.456789]'],
  ...['[20e1]', '[-0.0]', '[0.1]', '[1.0000000000000000000000000000000000000000001]'],
  ...[
    '[9007199254740991]',
    '[9007199254740993]',
    '[9223372036854775807]',
    '[-9223372036854775808]',
  ],
  ...[
    '[18446744073709551615]',
    '[1.7976931348623157e308]',
    '[5e-324]',
    '[2.2250738585072014e-308]',
  ],
  `[-0.${'0'.repeat(77)}1]`,
  '{ "min": -1.0e+28, "max": 1.0e+28 }',
];

const OBJECTS: readonly JsonText[] = [
  '{"asd":"sdf", "dfg":"fgh"}',
  '{"asd":"sdf"}',
  ...['{"a":"b","a":"c"}', '{"a":"b","a":"b"}', '{"":0}', '{"a":[]}', '{\n"a": "b"\n}'],
  raw`{"foo\u0000bar": 42}`,
  raw`{"title":"\u041f\u043e\u043b\u0442\u043e\u0440\u0430"}`,
  `{"x":[{"id": "${'x'.repeat(40)}"}], "id": "${'x'.repeat(40)}"}`,
  '{"__proto__":{"a":1},"constructor":null}',
];

const ESCAPES: readonly JsonText[] = [
  raw`["\u0060\u012a\u12AB"]`,
  ...[raw`["\ud801\udc37"]`, raw`["\ud83d\ude39\ud83d\udc8d"]`, raw`["\uDBFF\uDFFE"]`],
  ...[
    raw`["\uD834\uDd1e"]`,
    raw`["\"\\\/\b\f\n\r\t"]`,
    raw`["\\u0000"]`,
    raw`["\""]`,
    raw`["\\a"]`,
  ],
  ...[raw`["\\n"]`, raw`["\u0012"]`, raw`["\uFFFF"]`, raw`["new\u00A0line"]`, raw`["\u0000"]`],
  ...[raw`["\u002c"]`, raw`["\u0061\u30af\u30EA\u30b9"]`, raw`["new\u000Aline"]`, raw`["\uA66D"]`],
  ...[raw`["\u005C"]`, raw`["\uD83F\uDFFE"]`, raw`["\u200B"]`, raw`["\u2064"]`, raw`["\uFDD0"]`],
  ...[raw`["\uFFFE"]`, raw`["\u0022"]`, raw`["\u0821"]`, raw`["\u0123"]`, raw`["\\\\\\\""]`],
];

const STRINGS: readonly JsonText[] = [
  ...[
    '["a/*b*/c/*d//e"]',
    '["asd"]',
    '[ "asd"]',
    '[" "]',
    '["\u00e9"]',
    '["\u{1bfff}"]',
    '["\u03c0"]',
  ],
  ...['["\u{10ffff}"]', '["\uffff"]', '["\u2028"]', '["\u2029"]', '["\u007f"]', '["a\u007fa"]'],
  ...['["\u20ac\u{1d11e}"]', '["\u2342\u3748\u9d1c"]', '["{[,:]}"]', '["\u{e0001}\u200d"]'],
  `["${'long '.repeat(200)}"]`,
  `["${raw`\n`.repeat(300)}"]`,
];

/** A parser must accept these. */
export const VALID: readonly JsonText[] = [
  ...LITERALS_AND_STRUCTURE,
  ...NUMBERS,
  ...OBJECTS,
  ...ESCAPES,
  ...STRINGS,
];

const BAD_ARRAYS: readonly JsonText[] = [
  ...['[1 true]', '["": 1]', '[""],', '[,1]', '[1,,2]', '["x",,]', '["x"]]', '["",]', '["x"', '[x'],
  ...['[3[4]]', '[1:2]', '[,]', '[-]', '[   , ""]', '["a",\n4\n,1,', '[1,]', '[1,,]', '["\va"\\f]'],
  ...[
    '[*]',
    '[""',
    '[1,',
    '[1,\n1\n,1',
    '[{}',
    '[] []',
    '[]]',
    '[1]x',
    ']',
    '[',
    '[[',
    '["a',
    '["a"',
  ],
  ...[
    '[{',
    '[,',
    '[{"":',
    '[\n',
    '[1;2]',
    '[(1)]',
    '[1],[2]',
    '[}',
    '[{]}',
    '[[}]]',
    '1,2',
    '[nul]',
  ],
  bytes('[a\xe5]'),
  bytes('[\xff]'),
  '['.repeat(100_000),
  '[{"":'.repeat(50_000),
];

const BAD_LITERALS: readonly JsonText[] = [
  ...[
    '[fals]',
    '[nul]',
    '[tru]',
    '[True]',
    '[NULL]',
    'TRUE',
    'truee',
    'true false',
    'nulll',
    't',
    'f',
  ],
  ...[
    '[truefalse]',
    'n',
    'nul',
    'tru',
    'fals',
    '<.>',
    '[<null>]',
    'a',
    '*',
    '\u00e9',
    'undefined',
    "'a'",
  ],
  ...[
    '[NaN]',
    '[Inf]',
    '[+Inf]',
    '[-NaN]',
    '[Infinity]',
    '[-Infinity]',
    '[-foo]',
    'a\u00e5',
    '\u00e5',
  ],
  ...[
    '',
    ' ',
    '\n',
    '\0',
    '1\0',
    '[\0]',
    '{"a":\0}',
    '{}\0',
    '[\u2060]',
    '\u2060[]',
    '[\f]',
    '[\v1]',
  ],
  ...['\u00a0[]', '[\u2003]', '\u3000{}', '#', '{}#', '// c', '/* c */ 1', '1 // c', '[1/**/,2]'],
];

const BAD_NUMBERS: readonly JsonText[] = [
  ...[
    '[++1234]',
    '[+1]',
    '[-01]',
    '[-1.0.]',
    '[-2.]',
    '[.-1]',
    '[.2e-3]',
    '[0.1.2]',
    '[0.3e+]',
    '[0.3e]',
  ],
  ...[
    '[0.e1]',
    '[0E+]',
    '[0E]',
    '[0e+]',
    '[0e]',
    '[1.0e+]',
    '[1.0e-]',
    '[1.0e]',
    '[1 000.0]',
    '[1eE2]',
  ],
  ...[
    '[2.e+3]',
    '[2.e-3]',
    '[2.e3]',
    '[9.e+]',
    '[1+2]',
    '[0x1]',
    '[0x42]',
    '[0+-1]',
    '[-123.123foo]',
  ],
  ...[
    '[-1x]',
    '[- 1]',
    '[-012]',
    '[-.123]',
    '[1ea]',
    '[1.]',
    '[.123]',
    '[1.2a-3]',
    '[1.8011670033376514H-308]',
  ],
  ...[
    '[012]',
    '[00]',
    '[00.5]',
    '-',
    '[--1]',
    '[1_000]',
    '[1,000.]',
    '[0b1]',
    '[0o7]',
    '[1n]',
    '[1e1.5]',
  ],
  ...[
    '123\u0000',
    '2@',
    '[\uff11]',
    '[1e--1]',
    '[1e+-1]',
    '[-e1]',
    '[-0x1]',
    '[1d]',
    '[1.5f]',
    '[-]',
  ],
  bytes('[123\xe5]'),
  bytes('[1e1\xe5]'),
  bytes('[0\xe5]'),
  bytes('[1e\xe5]'),
];

const BAD_OBJECTS: readonly JsonText[] = [
  ...['["x", truth]', '{[: "x"}', '{"x", null}', '{"x"::"b"}', '{"a":"a" 123}', "{key: 'value'}"],
  ...[
    '{"a" b}',
    '{:"b"}',
    '{"a" "b"}',
    '{"a":',
    '{"a"',
    '{1:1}',
    '{9999E9999:1}',
    '{null:null,null:null}',
  ],
  ...['{"id":0,,,,,}', "{'a':0}", '{"id":0,}', '{"a":"b"}/**/', '{"a":"b"}/**//', '{"a":"b"}//'],
  ...[
    '{"a":"b"}/',
    '{"a":"b",,"c":"d"}',
    '{a: "b"}',
    '{"a":"a',
    '{ "foo" : "bar", "a" }',
    '{"a":"b"}#',
  ],
  ...[
    '{"a":"b"}}',
    '{"a":true} "x"',
    '{}}',
    '{',
    '{]',
    '{,',
    '{[',
    '{"a',
    "{'a'",
    '{"a":"b",',
    '{"a",}',
  ],
  ...[
    '{"asd":"asd"',
    '{"a":/*comment*/"b"}',
    '{true:1}',
    '{[]:1}',
    '{{}:1}',
    '{"a":1:2}',
    '{"a":}',
    '{,}',
  ],
  ...['{"a":[1,2}', '{"a":1]', '{"a"=1}', '{"a":1;"b":2}', '{"a":1 "b":2}', '{\u{1f600}}'],
  bytes('{"\xb9":"0",}'),
];

const BAD_STRINGS: readonly JsonText[] = [
  ...[raw`["\uD800\"]`, raw`["\uD800\u"]`, raw`["\uD800\u1"]`, raw`["\uD800\u1x"]`, '[\u00e9]'],
  ...[
    '["\\\0"]',
    raw`["\x00"]`,
    raw`["\\\"]`,
    '["\\\t"]',
    '["\\\u{1f300}"]',
    raw`["\"]`,
    raw`["\u00A"]`,
  ],
  ...[
    raw`["\uD834\uDd"]`,
    raw`["\uD800\uD800\x"]`,
    raw`["\a"]`,
    raw`["\uqqqq"]`,
    raw`[\u0020"asd"]`,
  ],
  ...[raw`[\n]`, '"', "['single quote']", 'abc', raw`["\ `, raw`["\"`, '["a\0a"]', '["new\nline"]'],
  ...[
    '["\t"]',
    raw`"\UA66D"`,
    '""x',
    raw`["\u"]`,
    raw`["\u{61}"]`,
    raw`["\v"]`,
    raw`["\0"]`,
    raw`["\'"]`,
  ],
  ...[
    '["a',
    '"a\\',
    raw`["\u00g0"]`,
    raw`["\u 061"]`,
    raw`["\u-061"]`,
    raw`[\u000A""]`,
    '["\u001f"]',
  ],
  bytes('["\\u\xe5"]'),
  bytes('["\\\xe5"]'),
  bytes('["a\\\xe5'),
];

const BAD_BYTES: readonly JsonText[] = [
  bytes('\xe5'),
  bytes('\xef\xbb'),
  bytes('\xef\xbb\xbf'),
  bytes('\xef\xbb{}'),
  bytes('\xff\xfe'),
  bytes('{"a":"b"}\xe5'),
];

/** A parser must refuse these. */
export const INVALID: readonly JsonText[] = [
  ...BAD_ARRAYS,
  ...BAD_LITERALS,
  ...BAD_NUMBERS,
  ...BAD_OBJECTS,
  ...BAD_STRINGS,
  ...BAD_BYTES,
];

/** Numbers within the grammar that fit neither 64 bits nor a double. JSON.parse rounds them. */
export const NUMBERS_OUT_OF_RANGE: readonly JsonText[] = [
  ...['[18446744073709551616]', '[-9223372036854775809]', '[100000000000000000000]'],
  ...['[-123123123123123123123123123123]', '[1e400]', '[-1e400]', '[1.5e+9999]', '[123123e100000]'],
  ...['[0.4e00669999999999999999999999999999999999999999999999999999999999999969999999006]'],
  ...[
    '[-1e+9999]',
    `[${'9'.repeat(400)}]`,
    `[${'9'.repeat(400)}.0]`,
    '[1.8e308]',
    '[237462374673276894279832749832423479823246327846]',
  ],
];

/** Numbers that are rounded to a double, as JSON.parse does. */
export const NUMBERS_ROUNDED: readonly JsonText[] = [
  ...['[123.456e-789]', '[1e-400]', '[-1e-9999]', '[123e-10000000]', `[0.${'0'.repeat(400)}1]`],
  ...[
    '[1.5e-00000000000000000000000000000000000000000000000000000000000000000000009]',
    '[1e+00010]',
  ],
];

/** Half a surrogate pair as an escape: within the grammar, but not a character. JSON.parse accepts it. */
export const LONE_SURROGATES: readonly JsonText[] = [
  ...[
    raw`["\uDADA"]`,
    raw`["\uD888\u1234"]`,
    raw`["\uD800\n"]`,
    raw`["\uDd1ea"]`,
    raw`["\uD800\uD800\n"]`,
  ],
  ...[
    raw`["\ud800"]`,
    raw`["\ud800abc"]`,
    raw`["\uDd1e\uD834"]`,
    raw`["\uDFAA"]`,
    raw`{"\uDFAA":0}`,
  ],
  ...[raw`["\uD83D\\uDE00"]`, raw`["\uDBFF\uDBFF\uDFFF"]`],
];

/** Bytes that are not UTF-8. A decoder that replaces them would change what was sent. */
export const NOT_UTF8: readonly JsonText[] = [
  bytes('["\xff"]'),
  bytes('["\xe9"]'),
  bytes('["\x81"]'),
  bytes('["\xe0\xff"]'),
  bytes('["\xed\xa0\x80"]'),
  bytes('["\xed\xbf\xbf"]'),
  bytes('["\xc0\xaf"]'),
  bytes('["\xc1\xbf"]'),
  bytes('["\xe0\x80\xaf"]'),
  bytes('["\xf0\x80\x80\xaf"]'),
  bytes('["\xfc\x83\xbf\xbf\xbf\xbf"]'),
  bytes('["\xfc\x80\x80\x80\x80\x80"]'),
  bytes('["\xf4\xbf\xbf\xbf"]'),
  bytes('["\xf5\x80\x80\x80"]'),
  bytes('["\xe6\x97\xa5\xd1\x88\xfa"]'),
  bytes('["\xf0\x9f\x98"]'),
  bytes('{"\xb9":0}'),
];

/** A byte order mark before a text. RFC 8259 lets a parser ignore it, and forbids to send it. */
export const BYTE_ORDER_MARK: readonly JsonText[] = ['\ufeff{}', '\ufeff[1]', '\ufeff"a"'];

/** With a byte order mark and without. */
export const UTF_16: readonly JsonText[] = [
  bytes('\0[\0"\0a\0"\0]'),
  bytes('[\0"\0a\0"\0]\0'),
  bytes('\xff\xfe[\0"\0\xe9\0"\0]\0'),
];

/** An array nested `levels` deep, a number in the innermost. */
export function nested(levels: number): string {
  return `${'['.repeat(levels)}1${']'.repeat(levels)}`;
}
