// Checks whether a microphone is available, without opening it.

/** Calls `tell` with null or the name of a fault, now and after each change. */
export async function microphoneFault(tell) {
  const { mediaDevices, permissions } = navigator;
  if (!mediaDevices) {
    tell("insecure");
    return;
  }
  const permission = await permissions?.query({ name: "microphone" }).catch(() => null);
  const look = async () => {
    if (permission?.state === "denied") tell("denied");
    else {
      const devices = await mediaDevices.enumerateDevices();
      tell(devices.some(({ kind }) => kind === "audioinput") ? null : "absent");
    }
  };
  if (permission) permission.onchange = look;
  mediaDevices.addEventListener("devicechange", look);
  await look();
}
