// Checks for the server while there is no visitor. Reloads the page if the server is a new one, or after many visits,
// since the page stays open for months.

const EVERY = 10_000; // ms

/** `idle`: whether there is no visitor; `worn`: whether to reload; `said`: called with the result. */
export function whenServerIsBack(config, { idle, worn, said }) {
  const known = JSON.stringify(config);
  const look = async () => {
    if (!idle()) return;
    try {
      const answer = await fetch("config.json", { cache: "no-store" });
      const now = JSON.stringify(await answer.json());
      said(true);
      if ((now !== known || worn()) && idle()) location.reload();
    } catch {
      said(false);
    }
  };
  setInterval(look, EVERY);
  look();
  return { look };
}
