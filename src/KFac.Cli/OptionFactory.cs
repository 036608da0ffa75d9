using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace KFac.Cli;

/// <summary>Makes the kinds of option that several commands have. A value out of range is wrong usage.</summary>
internal static class OptionFactory
{
    /// <summary>A file or directory; required.</summary>
    public static Option<string> Path(string name, string description, string helpName = "FILE") => new(name)
    {
        Description = description,
        HelpName = helpName,
        Required = true,
    };

    /// <summary>A file or directory that may be left out; null then.</summary>
    public static Option<string?> OptionalPath(string name, string description, string helpName = "FILE") => new(name)
    {
        Description = description,
        HelpName = helpName,
    };

    /// <summary>A number of things that may be left out; at least 1.</summary>
    public static Option<int?> Count(string name, string description, string helpName = "N") =>
        OptionalNumber<int>(name, helpName, description, static value => value >= 1, "a whole number, at least 1");

    /// <summary>A finite number above 0 that may be left out.</summary>
    public static Option<double?> Positive(string name, string helpName, string description) => OptionalNumber<double>(
        name, helpName, description, static value => value > 0 && double.IsFinite(value), "a finite number above 0");

    /// <summary>A finite number, at least 0, that may be left out.</summary>
    public static Option<double?> NonNegative(string name, string helpName, string description) => OptionalNumber<double>(
        name, helpName, description, static value => value >= 0 && double.IsFinite(value), "a finite number, at least 0");

    /// <summary>A number from 0 to less than 1 that may be left out: momentum, averages.</summary>
    public static Option<double?> Fraction(string name, string helpName, string description) => OptionalNumber<double>(
        name, helpName, description, static value => value is >= 0 and < 1, "at least 0 and less than 1");

    /// <summary>One of a few words.</summary>
    public static Option<string> Choice(string name, string description, string defaultValue, params string[] values)
    {
        return new Option<string>(name)
        {
            Description = description,
            HelpName = string.Join('|', values),
            DefaultValueFactory = _ => defaultValue,
            CustomParser = result => values.Contains(Token(result)) ? Token(result) : Refuse<string>(result, Wanted(values)),
        };
    }

    /// <summary>One of a few words that may be left out; null then.</summary>
    public static Option<string?> OptionalChoice(string name, string description, params string[] values) => new(name)
    {
        Description = description,
        HelpName = string.Join('|', values),
        CustomParser = result => values.Contains(Token(result)) ? Token(result) : Refuse<string>(result, Wanted(values)),
    };

    /// <summary>Any of some words, each given with the option's name.</summary>
    /// <param name="defaultValue">The word that stands when none is given; one of the values.</param>
    public static Option<string[]> Choices(string name, string helpName, string description, string defaultValue, IReadOnlyList<string> values) =>
        new(name)
        {
            Description = description,
            HelpName = helpName,
            DefaultValueFactory = _ => [defaultValue],
            CustomParser = result =>
            {
                foreach (Token token in result.Tokens.Where(token => !values.Contains(token.Value)))
                {
                    Refuse<string>(result, token.Value, $"one of {string.Join(", ", values)}");
                }

                return [.. result.Tokens.Select(static token => token.Value)];
            },
        };

    /// <summary>A number that may be left out; null then.</summary>
    /// <param name="isValid">The range check.</param>
    /// <param name="wanted">What is valid, for the message.</param>
    public static Option<T?> OptionalNumber<T>(string name, string helpName, string description, Func<T, bool> isValid, string wanted)
        where T : struct, IParsable<T> => new(name)
        {
            Description = description,
            HelpName = helpName,
            CustomParser = result => ParseNumber(result, isValid, wanted),
        };

    /// <summary>A number with a default.</summary>
    /// <inheritdoc cref="OptionalNumber"/>
    public static Option<T> Number<T>(
        string name, string helpName, string description, T defaultValue, Func<T, bool> isValid, string wanted)
        where T : struct, IParsable<T> => new(name)
        {
            Description = description,
            HelpName = helpName,
            DefaultValueFactory = _ => defaultValue,
            CustomParser = result => ParseNumber(result, isValid, wanted) ?? default,
        };

    /// <summary>Text with a default.</summary>
    /// <inheritdoc cref="OptionalNumber"/>
    public static Option<string> Text(
        string name, string helpName, string description, string defaultValue, Func<string, bool> isValid, string wanted) => new(name)
        {
            Description = description,
            HelpName = helpName,
            DefaultValueFactory = _ => defaultValue,
            CustomParser = result => isValid(Token(result)) ? Token(result) : Refuse<string>(result, wanted),
        };

    /// <summary>Text of a form of its own that may be left out; null then.</summary>
    /// <param name="parse">Null for text that is not of the form.</param>
    public static Option<T?> OptionalText<T>(string name, string description, Func<string, T?> parse, string wanted)
        where T : class => new(name)
        {
            Description = description,
            HelpName = wanted,
            CustomParser = result => parse(Token(result)) ?? Refuse<T>(result, wanted),
        };

    /// <summary>Any number of values, each given with the option's name; the defaults when there is none.</summary>
    /// <param name="parse">Null where the text is not a valid value.</param>
    /// <param name="wanted">What is valid, for the message.</param>
    public static Option<T[]> Repeated<T>(
        string name, string helpName, string description, IEnumerable<T> defaults, Func<string, T?> parse, string wanted)
        where T : struct => new(name)
        {
            Description = description,
            HelpName = helpName,
            DefaultValueFactory = _ => [.. defaults],
            CustomParser = result => [.. result.Tokens.Select(token => parse(token.Value) ?? Refuse<T>(result, token.Value, wanted))],
        };

    /// <summary>λ, required: a finite number, at least 0.</summary>
    public static Option<double> Damping() => new("--damping")
    {
        Description = "Damping λ, at least 0.",
        HelpName = "λ",
        Required = true,
        CustomParser = result =>
            ParseNumber<double>(result, static value => value >= 0 && value <= float.MaxValue, "a finite number, at least 0") ?? default,
    };

    private static T? ParseNumber<T>(ArgumentResult result, Func<T, bool> isValid, string wanted)
        where T : struct, IParsable<T> =>
        T.TryParse(Token(result), CultureInfo.InvariantCulture, out T value) && isValid(value) ? value : Refuse<T?>(result, wanted);

    private static T? Refuse<T>(ArgumentResult result, string wanted) => Refuse<T>(result, Token(result), wanted);

    private static T? Refuse<T>(ArgumentResult result, string text, string wanted)
    {
        string name = result.Parent is OptionResult option ? option.Option.Name : result.Argument.Name;
        result.AddError($"{name} is '{text}'; wanted {wanted}.");
        return default;
    }

    private static string Wanted(string[] values) => $"{string.Join(", ", values[..^1])} or {values[^1]}";

    private static string Token(ArgumentResult result) => result.Tokens[^1].Value;
}
