namespace KFac.Engine;

/// <summary>What option records check, with one wording: the value, what was given, what is wanted.</summary>
internal static class OptionCheck
{
    public static void Defined<TEnum>(TEnum value, string name)
        where TEnum : struct, Enum
    {
        if (!Enum.IsDefined(value))
        {
            throw new ArgumentException($"{name} is {value}; wanted one of {string.Join(", ", Enum.GetNames<TEnum>())}.");
        }
    }

    public static void AtLeast(long value, long minimum, string name)
    {
        if (value < minimum)
        {
            throw new ArgumentException($"{name} is {value}; wanted at least {minimum}.");
        }
    }

    public static void NonNegative(double value, string name)
    {
        if (!(value >= 0 && double.IsFinite(value)))
        {
            throw new ArgumentException($"{name} is {value}; wanted a finite number, at least 0.");
        }
    }

    public static void Positive(double value, string name)
    {
        if (!(value > 0 && double.IsFinite(value)))
        {
            throw new ArgumentException($"{name} is {value}; wanted a finite number above 0.");
        }
    }

    public static void InHalfOpenUnitInterval(double value, string name)
    {
        if (!(value is >= 0 and < 1))
        {
            throw new ArgumentException($"{name} is {value}; wanted at least 0 and less than 1.");
        }
    }
}
