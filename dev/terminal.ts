// How the developer commands look in a terminal.

const styled = process.stdout.isTTY && process.env["NO_COLOR"] === undefined;

function style(code: number) {
  return (text: string) => (styled ? `\u001b[${code}m${text}\u001b[0m` : text);
}

export const bold = style(1);
export const dim = style(2);
export const green = style(32);
export const red = style(31);

/** Columns as wide as their widest cell; those that hold numbers are set flush right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const columns = header.map((_, n) => [header[n] ?? "", ...rows.map((row) => row[n] ?? "")]);
  const widths = columns.map((cells) => Math.max(...cells.map((cell) => cell.length)));
  const numeric = columns.map((cells) => cells.slice(1).every((cell) => /^[-\d.,×%]*$/.test(cell)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, n) => (numeric[n] ? cell.padStart(widths[n] ?? 0) : cell.padEnd(widths[n] ?? 0)))
      .join("  ")
      .trimEnd();
  return [dim(line(header)), ...rows.map(line)].map((text) => `     ${text}`).join("\n");
}

/** Minor units as people write them: 4900n at scale 2 is `49.00`. */
export function decimal(amountMinor: bigint, scale: number): string {
  const digits = (amountMinor < 0n ? -amountMinor : amountMinor)
    .toString()
    .padStart(scale + 1, "0");
  const whole = digits.slice(0, digits.length - scale);
  const sign = amountMinor < 0n ? "-" : "";
  return scale === 0 ? `${sign}${whole}` : `${sign}${whole}.${digits.slice(-scale)}`;
}
