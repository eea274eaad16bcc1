// One life of a session, as @supabase/auth-js lives it. Prints what came back, as JSON.
// Usage: node auth_session.mjs URL ANON_KEY
import { AuthClient } from "@supabase/auth-js";

const [url, apikey] = process.argv.slice(2);

function client() {
  return new AuthClient({
    url: `${url}/auth/v1`,
    headers: { apikey },
    autoRefreshToken: false,
    persistSession: false,
  });
}

function error(problem) {
  if (!problem) return null;
  const { name, status, code, message } = problem;
  return { name, status, code, message };
}

function session(answer) {
  const given = answer.data.session;
  return {
    error: error(answer.error),
    session: given && {
      access_token: given.access_token,
      refresh_token: given.refresh_token,
      expires_in: given.expires_in,
      token_type: given.token_type,
      user: given.user,
    },
  };
}

const auth = client();
const steps = {};
steps.anonymous = session(await auth.signInAnonymously());
const first = steps.anonymous.session;
steps.user = await auth.getUser(first.access_token).then(({ data, error: problem }) => ({
  error: error(problem),
  user: data.user,
}));
steps.claims = await auth.getClaims(first.access_token).then(({ data, error: problem }) => ({
  error: error(problem),
  claims: data?.claims,
}));
steps.refresh = session(await auth.refreshSession());
const second = steps.refresh.session;
steps.again = session(await auth.refreshSession());
const third = steps.again.session;
steps.parent = session(await auth.refreshSession({ refresh_token: second.refresh_token }));
steps.grandparent = session(
  await client().refreshSession({ refresh_token: first.refresh_token }),
);
steps.after_theft = session(await client().refreshSession({ refresh_token: third.refresh_token }));

const other = client();
steps.password = session(
  await other.signInWithPassword({ email: "demo@example.com", password: "demo-password" }),
);
steps.wrong_password = session(
  await client().signInWithPassword({ email: "demo@example.com", password: "not this one" }),
);
const named = { email: "someone@example.com", password: "long-enough" };
steps.named = session(await client().signUp(named));
steps.named_again = session(await client().signUp(named));
const token = steps.password.session.access_token;
steps.sign_out = { error: error((await other.signOut({ scope: "local" })).error) };
steps.user_after_sign_out = await other
  .getUser(token)
  .then(({ error: problem }) => ({ error: error(problem) }));
console.log(JSON.stringify(steps));
