drop table webhook_marks;
drop table webhook_watches;
drop table webhook_deliveries;
drop table webhook_events;
drop table webhooks;
