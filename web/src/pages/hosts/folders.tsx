import { Button, Stack, StackItem } from "@patternfly/react-core";
import { useState } from "react";
import { useGet, useMayChange } from "../../api/hooks.ts";
import type { HostView, Schemas } from "../../api/types.ts";
import { MakeFolderForm } from "../../forms/make-folder.tsx";
import { ErrorBox } from "../../parts/error-box.tsx";
import { Waiting } from "../../parts/live-table.tsx";
import { PlainTable } from "../../parts/plain-table.tsx";
import { PossibleButton } from "../../parts/possible-button.tsx";
import { bytes, mebibytes } from "../../parts/quantities.ts";
import { Time } from "../../parts/time.tsx";
import { useTeller } from "../../shell/toasts.tsx";
import { folderWords as names } from "../../words/folders.ts";
import { HostImportable } from "./importable.tsx";

type Allowed = Schemas["AllowedFolder"];
type Folders = Schemas["FoldersView"];

/** One line of a listing: a folder, or a disk image. */
interface Entry {
  name: string;
  size: number | undefined;
  modified: string;
}

/** The folders in which a host may keep machines, and what lies in the one that is open. */
export function HostFolders({ host }: { host: HostView }) {
  const [path, setPath] = useState<string | undefined>();
  const { data, error, again } = useGet<Folders>(`/hosts/${host.id}/folders`, true, host.revision);
  if (error !== undefined) return <ErrorBox refusal={error} retry={again} />;
  if (data === undefined) return <Waiting />;
  const size = (mib: number | null | undefined): string => (typeof mib === "number" ? mebibytes(mib) : "");
  return (
    <Stack hasGutter>
      <StackItem>
        <p className="hostler-hint">{names.hint}</p>
        <p>{names.usesFor(data.vm_path)}</p>
      </StackItem>
      <StackItem>
        <PlainTable<Allowed>
          title={names.allowed}
          rows={data.allowed}
          keyOf={(folder) => folder.path}
          columns={[
            {
              title: names.columns.path,
              cell: (folder) => (
                <>
                  <Button variant="link" isInline onClick={() => setPath(folder.path)}>{folder.path}</Button> {folder.is_default && <small>{names.isDefault}</small>}
                </>
              ),
            },
            { title: names.columns.size, cell: (folder) => size(folder.total_mib), isNumber: true },
            { title: names.columns.free, cell: (folder) => size(folder.free_mib), isNumber: true },
            { title: names.columns.shared, cell: (folder) => (folder.shared_with ?? []).join(", ") },
          ]}
        />
      </StackItem>
      {path !== undefined && (
        <StackItem>
          <Listing host={host} view={data} path={path} onOpen={setPath} />
        </StackItem>
      )}
      <StackItem>
        <HostImportable host={host} />
      </StackItem>
    </Stack>
  );
}

/** What lies in a folder: the host is asked when somebody looks. */
function Listing({ host, view, path, onOpen }: { host: HostView; view: Folders; path: string; onOpen: (path: string) => void }) {
  const mayChange = useMayChange();
  const { run } = useTeller();
  const [isMaking, setMaking] = useState(false);
  const { data, error, again } = useGet<Folders>(`/hosts/${host.id}/folders?path=${encodeURIComponent(path)}`, host.answers);
  const isTop = view.allowed.some((folder) => folder.path === path);
  // The listing before stays while another is read: it is of the folder that it names.
  const listing = data?.listing?.path === path ? data.listing : undefined;
  const folders: Entry[] = (listing?.folders ?? []).map(({ name, modified }) => ({ name, modified, size: undefined }));
  const images: Entry[] = (listing?.images ?? []).map(({ name, modified, size_bytes: size }) => ({ name, modified, size }));
  return (
    <>
      <h2>{names.inside(path)}</h2>
      <p>
        {!isTop && <Button variant="secondary" onClick={() => onOpen(path.slice(0, path.lastIndexOf("/")))}>{names.up}</Button>}{" "}
        {mayChange && (
          <>
            <PossibleButton label={names.make} reason={host.answers ? undefined : names.silent} onClick={() => setMaking(true)} />{" "}
            <PossibleButton
              label={names.use}
              reason={view.vm_path === path ? names.isUsed : undefined}
              onClick={() => void run({ method: "PATCH", path: `/hosts/${host.id}`, body: { vm_path: path } }, names.used(host.name))}
            />
          </>
        )}
      </p>
      {!host.answers && <p className="hostler-hint">{names.silent}</p>}
      {error !== undefined && <ErrorBox refusal={error} retry={again} />}
      {host.answers && error === undefined && listing === undefined && <Waiting />}
      {listing !== undefined && folders.length + images.length === 0 && <p>{names.empty}</p>}
      <PlainTable<Entry>
        label={names.inside(path)}
        rows={[...folders, ...images]}
        keyOf={(entry) => `${entry.size === undefined ? "folder" : "image"} ${entry.name}`}
        columns={[
          {
            title: names.columns.name,
            cell: (entry) =>
              entry.size === undefined ? (
                <Button variant="link" isInline aria-label={names.open(entry.name)} onClick={() => onOpen(`${path}/${entry.name}`)}>{entry.name}</Button>
              ) : (
                entry.name
              ),
          },
          { title: names.columns.kind, cell: (entry) => (entry.size === undefined ? names.folder : names.image) },
          { title: names.columns.size, cell: (entry) => (entry.size === undefined ? "" : bytes(entry.size)), isNumber: true },
          { title: names.columns.modified, cell: (entry) => <Time at={entry.modified} /> },
        ]}
      />
      {listing?.more === true && <p className="hostler-hint">{names.more}</p>}
      {host.answers && <Button variant="link" isInline onClick={again}>{names.again}</Button>}
      {isMaking && (
        <MakeFolderForm
          host={host}
          parent={path}
          onClose={() => {
            setMaking(false);
            again();
          }}
        />
      )}
    </>
  );
}
