# A web app on Rack with omniauth_openid_connect, as its documentation has it. Address and client come from the environment.
require 'json'
require 'rack'
require 'rack/handler/webrick'
require 'omniauth_openid_connect'

# Discovery asks by https only; the provider under test is on the loopback address.
SWD.url_builder = URI::HTTP
OmniAuth.config.logger = Logger.new($stderr)
OmniAuth.config.on_failure = ->(env) { [500, {}, ["#{env['omniauth.error.type']}: #{env['omniauth.error']&.full_message}"]] }
# The test opens the address as a link would.
OmniAuth.config.allowed_request_methods = [:get]
OmniAuth.config.silence_get_warning = true

origin = ENV.fetch('ORIGIN')
$tokens = nil

def answer(status, body)
  [status, { 'Content-Type' => 'application/json' }, [JSON.generate(body)]]
end

def kid_of(token)
  JSON.parse(Base64.urlsafe_decode64(token.split('.').first))['kid']
end

# What the gem leaves to the app: the claims are read again from the token, with the keys of now.
def refresh(issuer, client_id, secret)
  found = OpenIDConnect::Discovery::Provider::Config.discover!(issuer)
  client = OpenIDConnect::Client.new(identifier: client_id, secret: secret, token_endpoint: found.token_endpoint)
  client.refresh_token = $tokens['refresh_token']
  fresh = client.access_token!
  claims = OpenIDConnect::ResponseObject::IdToken.decode(fresh.id_token, found.jwks)
  $tokens = { 'refresh_token' => fresh.refresh_token }
  answer(200, { sub: claims.sub, kid: kid_of(fresh.id_token) })
end

app = Rack::Builder.new do
  use Rack::Session::Cookie, secret: SecureRandom.hex(64)
  use OmniAuth::Builder do
    provider :openid_connect,
             name: :latchkey, issuer: ENV.fetch('ISSUER'), discovery: true, response_type: :code,
             scope: %i[openid profile offline_access], prompt: :consent,
             client_options: {
               identifier: ENV.fetch('CLIENT_ID'), secret: ENV.fetch('CLIENT_SECRET'),
               redirect_uri: "#{origin}/callback"
             },
             request_path: '/login', callback_path: '/callback'
  end
  run lambda { |env|
    session = env['rack.session']
    case env['PATH_INFO']
    when '/callback'
      found = env['omniauth.auth']
      $tokens = found['credentials']
      session['me'] = { sub: found['uid'], name: found['info']['name'], kid: kid_of($tokens['id_token']) }
      [302, { 'Location' => "#{origin}/me" }, []]
    when '/me' then session['me'] ? answer(200, session['me']) : answer(401, {})
    when '/refresh' then refresh(ENV.fetch('ISSUER'), ENV.fetch('CLIENT_ID'), ENV.fetch('CLIENT_SECRET'))
    when '/logout'
      session.delete('me')
      [302, { 'Location' => "#{origin}/login/logout" }, []]
    else answer(404, {})
    end
  }
end

Rack::Handler::WEBrick.run(app, Host: '127.0.0.1', Port: ENV.fetch('PORT').to_i, AccessLog: [])
