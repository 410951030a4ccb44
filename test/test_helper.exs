# A message that must come is waited for as long as a loaded machine may need.
ExUnit.start(capture_log: true, assert_receive_timeout: 60_000)
