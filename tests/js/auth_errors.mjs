// What @supabase/auth-js makes of each error answer of the sign-up. Prints a list, as JSON.
// Usage: node auth_errors.mjs URL ANON_KEY FAULTS, a JSON list of sign_up faults, one for each call
import { AuthClient } from "@supabase/auth-js";

const [url, apikey, faults] = process.argv.slice(2);

async function outcome(fault) {
  await fetch(`${url}/emulator/faults`, {
    method: "PUT",
    body: JSON.stringify({ sign_up: fault }),
  });
  const auth = new AuthClient({
    url: `${url}/auth/v1`,
    headers: { apikey },
    autoRefreshToken: false,
    persistSession: false,
  });
  try {
    const { data, error } = await auth.signInAnonymously();
    const { name, status, code, message } = error ?? {};
    return { session: Boolean(data.session), name, status, code, message };
  } catch (thrown) {
    return { thrown: thrown.name };
  }
}

const outcomes = [];
for (const fault of JSON.parse(faults)) outcomes.push(await outcome(fault));
console.log(JSON.stringify(outcomes));
