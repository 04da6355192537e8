// Marks of a time axis: whole seconds, minutes, hours or days, few enough to be read.

const [SECOND, MINUTE, HOUR, DAY] = [1e3, 6e4, 36e5, 864e5];
const STEPS = [
  ...[1, 2, 5, 15, 30].map((n) => n * SECOND), ...[1, 2, 5, 15, 30].map((n) => n * MINUTE),
  ...[1, 2, 3, 6, 12].map((n) => n * HOUR), ...[1, 2, 3, 5, 7, 14, 28, 91, 182, 364].map((n) => n * DAY)];

/** Moments (milliseconds since 1970) from `first` to `last` with a label each, at most `most`. */
export function timeMarks(first, last, most, timeZone) {
  const step = STEPS.find((one) => (last - first) / one < most) ?? STEPS.at(-1);
  const offset = (time) => (timeZone === "UTC" ? 0 : MINUTE * new Date(time).getTimezoneOffset());
  const marks = [];
  for (let wall = Math.ceil((first - offset(first)) / step) * step; ; wall += step) {
    const time = wall + offset(wall + offset(first)); // clocks may be put forward or back on the way
    if (time > last || marks.length === most) break;
    marks.push({ time, label: label(time, step, timeZone, !marks.length) });
  }
  return marks.length ? marks : [{ time: first, label: label(first, SECOND, timeZone, true) }];
}

function label(time, step, timeZone, begins) {
  const day = new Date(time).toLocaleDateString([], { month: "short", day: "numeric", timeZone });
  if (step >= DAY) return day;
  const clock = new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", ...(step < MINUTE ? { second: "2-digit" } : {}), timeZone });
  return begins ? `${day}, ${clock}` : clock;
}
