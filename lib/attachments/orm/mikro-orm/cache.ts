import { type EntityName, type EventArgs, type EventSubscriber, type MikroORM, wrap } from '@mikro-orm/core';
import { assignAt, attachmentProperties, type Values } from './internals.js';

/** Makes attachments of what the result cache has kept of them, which gives entities data without looking at types. */
export class CacheSubscriber implements EventSubscriber<object> {
  readonly #orm: MikroORM;

  constructor(orm: MikroORM) {
    this.#orm = orm;
  }

  getSubscribedEntities(): EntityName<object>[] {
    const all = [...this.#orm.getMetadata().getAll().values()];
    return all.filter((meta) => attachmentProperties(meta).length > 0).map((meta) => meta.class);
  }

  onLoad({ entity, meta }: EventArgs<object>): void {
    const loaded = (wrap(entity, true).__originalEntityData ?? {}) as Values;
    for (const { name, path, type } of attachmentProperties(meta)) {
      const kept = loaded[name];
      // Of a row, it is a text: what the entity has may be from somebody else then.
      if (typeof kept !== 'object' || kept === null) continue;
      const value = type.convertToJSValue(kept, this.#orm.driver.getPlatform());
      loaded[name] = type.toText(value);
      assignAt(entity, path, value);
    }
  }
}
