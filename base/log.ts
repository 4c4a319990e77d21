/**
 * The log of the appliance: one JSON object a line on standard error, for journald or any collector.
 * Messages hold profile ordinals and codes, never personal data.
 */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface Logger {
  log(level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>): void;
}

const ORDER: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** A logger that writes lines of `level` and above through `write`. */
export function jsonLogger(level: LogLevel, write: (line: string) => void): Logger {
  const threshold = ORDER.indexOf(level);
  return {
    log(entryLevel, message, fields = {}) {
      if (ORDER.indexOf(entryLevel) < threshold) return;
      const time = new Date().toISOString();
      write(`${JSON.stringify({ time, level: entryLevel, message, ...describeErrors(fields) })}\n`);
    },
  };
}

/** Says nothing: for tests and for tools with their own output. */
export const silentLogger: Logger = { log() {} };

function describeErrors(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const described: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(fields)) {
    described[key] =
      value instanceof Error ? { message: value.message, stack: value.stack } : value;
    if (typeof value === 'bigint') described[key] = value.toString();
  }
  return described;
}
