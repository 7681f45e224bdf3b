serve start || fail start "$words"
