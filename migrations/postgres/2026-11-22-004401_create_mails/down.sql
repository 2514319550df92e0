drop table mail_opt_outs;
drop table mail_messages;
drop table mailings;
