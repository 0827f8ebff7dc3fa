// Whether the server is there while nobody visits, and whether it has become another: then the page
// is read anew, so that one that hangs for a year is not a year old.

const EVERY = 10_000; // ms

/** `idle`: whether nobody is there; `said`: told whether the server is. */
export function whenServerIsBack(config, { idle, said }) {
  const known = JSON.stringify(config);
  const look = async () => {
    if (!idle()) return;
    try {
      const answer = await fetch("config.json", { cache: "no-store" });
      const now = JSON.stringify(await answer.json());
      said(true);
      if (now !== known && idle()) location.reload();
    } catch {
      said(false);
    }
  };
  setInterval(look, EVERY);
  look();
  return { look };
}
