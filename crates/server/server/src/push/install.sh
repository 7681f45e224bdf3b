IFS= read -r mark
IFS= read -r size
IFS= read -r sha256
IFS= read -r seen
# A connection that was broken off may have brought this here, and sudo begun it, only after the job took all back.
if grep -qxF -e "$mark" "$removed" 2>/dev/null; then fail broken 'the job that asked for this has been undone'; fi
# Who looked at this computer has judged what was there then. One computer may be added under two names at once.
case "$(installed) $(enrolled)" in
    ' ' | "$seen" | "$mark "*) ;;
    *) fail present 'another job has installed an agent there meanwhile' ;;
esac
if [ -e "$pushed" ]; then remove; fi
[ ! -e "$state/identity/agent.json" ] || fail present 'an agent is enrolled there already'
mkdir -p "$folder"
printf '%s\n' "$mark" >"$pushed"
if [ -e "$state/agent.toml" ]; then cp -p "$state/agent.toml" "$folder/agent.toml"; fi
head -c "$size" >"$program.part"
[ "$(sha256sum "$program.part" | cut -d ' ' -f 1)" = "$sha256" ] || fail broken 'the program did not arrive whole'
chmod 755 "$program.part"
words=$("$program.part" check 2>&1 9>&- </dev/null) || fail unsuitable "$words"
mv -f "$program.part" "$program"
