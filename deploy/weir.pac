// Proxy auto-configuration: everything through Weir, except this network's own names.
// Replace proxy.school.example with the name or address of the machine that runs Weir.
function FindProxyForURL(url, host) {
  if (isPlainHostName(host) || host === "localhost" || host === "127.0.0.1") {
    return "DIRECT";
  }
  // No "; DIRECT" at the end: when the filter is down, the web is closed, not open.
  return "PROXY proxy.school.example:3128";
}
